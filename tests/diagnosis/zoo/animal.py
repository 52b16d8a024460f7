"""What one training of the zoo is, and what its networks are made of."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from pipeline.diagnosis import Diagnosis

NUM_CLASSES = 3


@dataclass(frozen=True)
class Animal:
    """One training of the zoo."""

    build: Callable[[], keras.Model]
    x: np.ndarray
    y: np.ndarray
    epochs: int = 20
    symptom: str = ""
    """What is wrong; an empty text: nothing."""
    layer: str = ""
    """Name of the layer with the fault."""
    also: tuple[str, ...] = ()
    """What follows from it and must be named too, if only in a note."""
    mendable: bool = True
    """Whether a change of the recipe can help; none can where data or code are at fault."""

    def watched(self) -> Diagnosis:
        """Trains on three quarters of the data and diagnoses on the rest."""
        keras.utils.set_random_seed(3)
        cut = len(self.x) * 3 // 4
        diagnosis = Diagnosis(self.x[cut:], self.y[cut:])
        self.build().fit(
            self.x[:cut],
            self.y[:cut],
            validation_data=(self.x[cut:], self.y[cut:]),
            epochs=self.epochs,
            batch_size=32,
            verbose=0,
            callbacks=[diagnosis],
        )
        return diagnosis


def rings(num: int = 400, noise: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """Three rings around each other, in the plane: float32 `(num, 2)`, class indices `(num,)`."""
    rng = np.random.default_rng(5)
    labels = rng.integers(NUM_CLASSES, size=num)
    angles = rng.uniform(0, 2 * np.pi, num)
    radii = 0.5 + labels + rng.normal(0, noise, num)
    return np.stack([radii * np.cos(angles), radii * np.sin(angles)], 1).astype("float32"), labels


X, Y = rings()


def dense(
    *hidden: keras.layers.Layer, output: str = "softmax", optimizer: Any = ("adam", 0.02), outputs: int = NUM_CLASSES
) -> Callable[[], keras.Model]:
    """A classifier of rings with these hidden layers; built when called, so that each is built once.

    Args:
        hidden: Layers up to the last one.
        output: Activation of the last one.
        optimizer: Class name and learning rate, with the momentum where there is one.
        outputs: One for two classes.
    """

    def build() -> keras.Model:
        layers = [type(layer).from_config(layer.get_config()) for layer in hidden]
        answer = keras.layers.Dense(outputs, activation=output, name="answer")
        model = keras.Sequential([keras.Input((2,)), *layers, answer])
        name, *given = optimizer
        config = dict(zip(("learning_rate", "momentum"), given, strict=False))
        loss = "sparse_categorical_crossentropy" if outputs > 1 else "binary_crossentropy"
        model.compile(keras.optimizers.get({"class_name": name, "config": config}), loss, metrics=["accuracy"])
        return model

    return build


def unit(
    name: str, activation: str = "relu", kernel: Any = "he_normal", width: int = 16, **arguments: Any
) -> keras.layers.Dense:
    return keras.layers.Dense(width, activation=activation, kernel_initializer=kernel, name=name, **arguments)


def scaled(stddev: float) -> keras.initializers.Initializer:
    return keras.initializers.RandomNormal(stddev=stddev, seed=1)
