"""What the diagnosis costs, with and without in turns: `python -m benchmarks.diagnosis_cost`.

CPU seconds of the whole process, so that other work on the machine does not count; compilation of the network itself
is left out of both sides, that of the probe is part of the cost.
"""

import argparse
import os
import statistics
import time
from typing import Any

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3"}

SIZES = {"digits-cnn": (32, 64, 60), "100 times as large": (320, 640, 4)}
"""Channels of the two convolutions, epochs."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="trainings of each side (default: 3)")
    args = parser.parse_args()
    for name, (first, second, epochs) in SIZES.items():
        ratios, probes = [], []
        for _ in range(args.rounds):
            plain, _ = seconds(first, second, epochs, watched=False)
            watched, cost = seconds(first, second, epochs, watched=True)
            ratios.append(watched / plain - 1)
            probes.append(cost / plain)
        print(f"{name}: {epochs} epochs, {plain:.1f} CPU s without; with the callback {spread(ratios)} more;")
        print(f"    measured inside it, its methods take {spread(probes)} of the training")


def seconds(first: int, second: int, epochs: int, *, watched: bool) -> tuple[float, float]:
    """CPU seconds of `epochs` epochs after one that compiles, and of the callback's methods among them."""
    import keras
    from sklearn.datasets import load_digits

    from pipeline.diagnosis import Diagnosis

    images, labels = load_digits(return_X_y=True)
    images = (images.reshape(-1, 8, 8, 1) / 16).astype("float32")
    x, y, x_val, y_val = images[:1180], labels[:1180], images[1180:1452], labels[1180:1452]
    model = network(first, second)
    model.fit(x, y, batch_size=64, epochs=1, verbose=0, validation_data=(x_val, y_val))
    clock = Clock(Diagnosis(x_val, y_val)) if watched else None
    started = time.process_time()
    model.fit(
        x,
        y,
        batch_size=64,
        epochs=epochs,
        verbose=0,
        validation_data=(x_val, y_val),
        callbacks=[clock.callback] if clock else [],
    )
    spent = time.process_time() - started
    keras.backend.clear_session()
    return spent, clock.spent if clock else 0.0


class Clock:
    """Adds up the CPU time of a callback's methods."""

    def __init__(self, callback: Any):
        self.callback, self.spent = callback, 0.0
        for name in ("on_train_begin", "on_epoch_begin", "on_epoch_end", "on_train_end"):
            setattr(callback, name, self._timed(getattr(callback, name)))

    def _timed(self, method: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> None:
            started = time.process_time()
            method(*args, **kwargs)
            self.spent += time.process_time() - started

        return call


def network(first: int, second: int) -> Any:
    """The convolutional network of the digits recipe, with so many channels."""
    import keras

    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(first, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(second, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(2 * second, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):+.1%} [{min(values):+.1%}, {max(values):+.1%}]"


if __name__ == "__main__":
    main()
