"""What a Keras Tuner user writes, for `tuning.py`: one process, `tuner.search(x, y, validation_data=...)`."""

from typing import Any

import keras
import keras_tuner
import numpy as np

Split = tuple[np.ndarray, np.ndarray]

FILTERS = {"small": (16, 32), "large": (32, 64)}
"""Keras Tuner's choices are no lists."""


def build(hp: Any) -> keras.Model:
    """The network that the recipe of `tuning.py` describes, over the same space, declared in the same order."""
    rate = hp.Float("learning_rate", 1e-4, 1e-1, sampling="log")
    filters = FILTERS[hp.Choice("filters", list(FILTERS))]
    dropout = hp.Float("dropout", 0.0, 0.6)
    network = keras.Sequential([keras.Input((8, 8, 1))])
    for width in filters:
        network.add(keras.layers.Conv2D(width, 3, padding="same", activation="relu"))
        network.add(keras.layers.MaxPooling2D())
        network.add(keras.layers.Dropout(dropout))
    network.add(keras.layers.Flatten())
    network.add(keras.layers.Dense(128, activation="relu"))
    network.add(keras.layers.Dropout(dropout))
    network.add(keras.layers.Dense(10, activation="softmax"))
    network.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return network


def search(training: Split, validation: Split, *, trials: int, epochs: int, seed: int) -> list[dict[str, Any]]:
    """Searches as the guide of Keras Tuner shows it.

    Args:
        training: Images, float32 in [0, 1], `(n, 8, 8, 1)`; labels, int `(n,)`.
        validation: The same of the validation split.
        trials: How many.
        epochs: Of each.
        seed: Of the oracle.

    Returns:
        The point of each trial and its score, in their order.
    """
    tuner = keras_tuner.RandomSearch(
        build, "val_accuracy", max_trials=trials, seed=seed, directory="stock", project_name="digits"
    )
    images, labels = training
    tuner.search(images, labels, batch_size=64, epochs=epochs, validation_data=validation, verbose=0)
    ended = [tuner.oracle.trials[name] for name in tuner.oracle.start_order]
    return [{"point": _point(trial.hyperparameters.values), "score": trial.score} for trial in ended]


def _point(values: dict[str, Any]) -> list[Any]:
    return [values["learning_rate"], list(FILTERS[values["filters"]]), values["dropout"]]
