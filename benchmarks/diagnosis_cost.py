"""What the diagnosis costs, with and without in turns: `python -m benchmarks.diagnosis_cost`.

Both sides are whole trainings by Keras's `fit`, from its compilation to the last epoch, with validation. CPU seconds of
the process, so that other work on the machine counts little. What a process does once, whatever it trains (threads,
kernels), falls to an epoch before.
"""

import argparse
import gc
import os
import statistics
import time
from typing import Any

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3"}

SIZES = {"digits-cnn": (32, 64), "100 times as large": (320, 640)}
"""Channels of the two convolutions."""

EPOCHS = 60
"""As in the recipe `digits`."""

METHODS = ("on_train_begin", "on_epoch_begin", "on_epoch_end", "on_train_end")
"""Of the callback. Its looks at the data, at some steps of a few epochs, are counted as well; asking for the time at
each step of these is not."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="trainings of each side, of the small network")
    parser.add_argument("--large-rounds", type=int, default=1, help="the same of the large one, 7 minutes each")
    args = parser.parse_args()
    seconds(*SIZES["digits-cnn"], epochs=1, watched=False)
    for (name, channels), rounds in zip(SIZES.items(), (args.rounds, args.large_rounds), strict=True):
        if not rounds:
            continue
        plain, watched, inside = [], [], []
        for _ in range(rounds):
            plain.append(seconds(*channels, epochs=EPOCHS, watched=False)[0])
            spent, callback = seconds(*channels, epochs=EPOCHS, watched=True)
            watched.append(spent)
            inside.append(callback / (spent - callback))
        ratios = [one / other - 1 for one, other in zip(watched, plain, strict=True)]
        print(f"{name}: {EPOCHS} epochs, {statistics.median(plain):.1f} CPU s without (median of {rounds})", flush=True)
        print(f"    with the callback, one training beside another: {spread(ratios)}")
        print(f"    measured inside it, its methods take {spread(inside)} of the rest of their training", flush=True)


def seconds(first: int, second: int, *, epochs: int, watched: bool) -> tuple[float, float]:
    """CPU seconds of a training from its compilation on, and of the callback's methods among them."""
    import keras
    from sklearn.datasets import load_digits

    from pipeline.diagnosis import Diagnosis

    images, labels = load_digits(return_X_y=True)
    images = (images.reshape(-1, 8, 8, 1) / 16).astype("float32")
    x, y, x_val, y_val = images[:1180], labels[:1180], images[1180:1452], labels[1180:1452]
    clock = Clock(Diagnosis(x_val, y_val)) if watched else None
    gc.collect()  # what the training before has left
    started = time.process_time()
    network(first, second).fit(
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
        for name in METHODS:
            setattr(callback, name, self._timed(getattr(callback, name)))
        begin = callback.on_train_begin

        def on_train_begin(logs: Any = None) -> None:
            begin(logs)
            watch = callback._step_watch
            watch.look = self._timed(watch.look)

        callback.on_train_begin = on_train_begin

    def _timed(self, method: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> None:
            started = time.process_time()
            method(*args, **kwargs)
            self.spent += time.process_time() - started

        return call


def network(first: int, second: int) -> Any:
    """A plain convolutional network like that of the digits recipe, with so many channels."""
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
    interval = f" [{min(values):+.2%}, {max(values):+.2%}]" if len(values) > 1 else ""
    return f"{statistics.median(values):+.2%}{interval}"


if __name__ == "__main__":
    main()
