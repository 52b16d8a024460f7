"""Cases of `benchmarks/diagnosis.py`: from a line of a corpus to data and a compiled Keras model."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from models.seeds import seed_for

Case = Mapping[str, Any]

OPTIMIZERS = {"Adam": "adam", "SGD": "sgd", "RMSprop": "rmsprop", "Adagrad": "adagrad"}


@dataclass(frozen=True)
class Data:
    """One data set of a corpus: float32 features `(n, columns)`, labels as the losses take them."""

    x: np.ndarray
    y: np.ndarray
    x_val: np.ndarray
    y_val: np.ndarray

    @property
    def steps(self) -> int:
        return len(self.x)

    def training(self, batch_size: int, seed: int) -> tf.data.Dataset:
        """Endless batches; the order of each epoch is a function of the seed and the epoch."""
        num_steps = -(-len(self.x) // batch_size)
        x, y = tf.constant(self.x), tf.constant(self.y)

        def batch(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            order = tf.random.experimental.stateless_shuffle(tf.range(len(self.x)), [seed, step // num_steps])
            rows = order[(step % num_steps) * batch_size : (step % num_steps + 1) * batch_size]
            return tf.gather(x, rows), tf.gather(y, rows)

        return tf.data.Dataset.range(2**31).map(lambda step: batch(tf.cast(step, "int32")))

    def validation(self) -> tf.data.Dataset:
        return tf.data.Dataset.from_tensors((self.x_val, self.y_val)).cache()


def read_cases(corpus: Path) -> list[Case]:
    """Reads the cases of a corpus."""
    return [json.loads(line) for line in (corpus / "cases.jsonl").read_text().splitlines() if line.strip()]


def read_data(corpus: Path, name: str) -> Data:
    """Reads one of the corpus's data sets."""
    with np.load(corpus / "data" / f"{name}.npz") as file:
        return Data(*(file[key].astype("float32") for key in ("x", "y", "x_val", "y_val")))


def build(case: Case, seed: int) -> keras.Model:
    """Builds and compiles the model of a case.

    Args:
        case: A line of `cases.jsonl`.
        seed: Of the initial weights.
    """
    model = keras.Sequential([keras.Input(tuple(case["input_shape"]))])
    for place, layer in enumerate(case["layers"]):
        model.add(_layer(dict(layer), seed, place))
    arguments = dict(case["optimizer"]["args"])
    arguments["learning_rate"] = arguments.pop("lr")
    optimizer = getattr(keras.optimizers, case["optimizer"]["name"])(**arguments)
    model.compile(optimizer, loss=case["loss"], metrics=["accuracy"])
    return model


def _layer(arguments: dict[str, Any], seed: int, place: int) -> keras.Layer:
    kind = arguments.pop("type")
    if kind == "Scale":
        return keras.layers.Rescaling(arguments["value"] if "value" in arguments else arguments["scale"])
    for key in ("kernel_initializer", "bias_initializer"):
        arguments[key] = (
            _initializer(arguments.get(key), key, seed_for(seed, key, place)) if kind in ("Dense", "Conv2D") else None
        )
    arguments = {key: value for key, value in arguments.items() if value is not None}
    if kind == "Dropout":
        arguments["seed"] = seed_for(seed, "dropout", place)
    return getattr(keras.layers, kind)(**arguments)


def _initializer(written: Mapping[str, Any] | None, key: str, seed: int) -> keras.initializers.Initializer:
    written = written or {"class": "Zeros" if key == "bias_initializer" else "GlorotUniform", "config": {}}
    kind = getattr(keras.initializers, written["class"])
    plain = written["class"] in ("Zeros", "Ones", "Constant")
    return kind(**written["config"]) if plain else kind(**written["config"], seed=seed)
