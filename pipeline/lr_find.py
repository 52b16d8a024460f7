"""The learning-rate range test: the loss while the rate grows from step to step, and the rates that it suggests.

Smith 2017, "Cyclical Learning Rates for Training Neural Networks", https://arxiv.org/abs/1506.01186.
"""
# ruff: noqa: ARG002  (Keras hands all arguments to each method, by name)

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from pipeline.errors import UserError
from pipeline.figures import range_test_curve
from pipeline.training.assemble import Assembled
from pipeline.training.optimizers import unscaled

LOWEST, HIGHEST = 1e-7, 10.0
"""Rates of the first and the last step."""

NUM_STEPS = 100
MEMORY = 0.9
"""Share of the smoothed loss that stays from one step to the next."""

DIVERGED = 4.0
"""The test ends where the smoothed loss is so many times its smallest value."""


@dataclass(frozen=True)
class RangeTest:
    """What the loss did while the rate grew."""

    rates: np.ndarray
    """Learning rate of each step, float64 (steps,)."""
    losses: np.ndarray
    """Smoothed loss of each step, float64 (steps,)."""

    @property
    def steepest(self) -> float:
        """The rate at which the loss falls fastest on the logarithmic scale of rates."""
        slopes = np.gradient(self.losses, np.log(self.rates))
        return float(self.rates[np.argmin(slopes)])

    @property
    def valley(self) -> float:
        """The rate in the middle of the longest descent, which single steps upwards do not end."""
        descent = _longest_descent(self.losses)
        return float(self.rates[descent[len(descent) // 2]])

    @property
    def suggestion(self) -> float:
        """The valley's rate, to two digits: steadier than the steepest one, which a noisy batch can decide."""
        return float(f"{self.valley:.2g}")

    def draw(self, path: Path) -> None:
        """Draws the curve with both suggestions to a PNG."""
        range_test_curve(self.rates, self.losses, {"steepest": self.steepest, "valley": self.valley}, path)


def range_test(assembled: Assembled, *, num_steps: int = NUM_STEPS) -> RangeTest:
    """Trains for a few steps at an exponentially growing rate; neither weights nor optimiser are of use afterwards.

    Args:
        assembled: The training to find a rate for, with its optimiser, clipping, accumulation and regularisation.
        num_steps: Steps from the lowest rate to the highest.

    Raises:
        UserError: If the loss falls at no rate, or is no number from the start.
    """
    growth = keras.optimizers.schedules.ExponentialDecay(LOWEST, num_steps - 1, HIGHEST / LOWEST)
    unscaled(assembled.learner.optimizer).learning_rate = growth
    record = BatchLosses()
    assembled.learner.fit(
        assembled.training.dataset(num_steps=num_steps),
        steps_per_epoch=num_steps,
        class_weight=assembled.class_weights,
        callbacks=[record],
        shuffle=False,
        verbose=0,
    )
    losses = np.array(record.smoothed)
    rates = LOWEST * (HIGHEST / LOWEST) ** (np.arange(len(losses)) / (num_steps - 1))
    if len(losses) < 3 or len(_longest_descent(losses)) < 3:
        raise UserError(
            f"lr-find: expected a loss that falls at some rate between {LOWEST:g} and {HIGHEST:g}. "
            f"It did not in {len(losses)} steps; look at model, train.loss and the data"
        )
    return RangeTest(rates, losses)


class BatchLosses(keras.callbacks.Callback):  # type: ignore[misc]
    """Keeps the smoothed loss of single batches and ends the training where it diverges.

    Attributes:
        smoothed: Exponential moving average of the losses, without its bias towards 0 at the start.
    """

    def __init__(self) -> None:
        super().__init__()
        self.smoothed: list[float] = []
        self._average = 0.0

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Makes the mean of the epoch that of the one batch to come."""
        self.model.reset_metrics()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Takes the loss of the batch in; one that is no number ends the test uncounted."""
        value = float((logs or {})["loss"])
        if not math.isfinite(value):
            self.model.stop_training = True
            return
        self._average = MEMORY * self._average + (1 - MEMORY) * value
        self.smoothed.append(self._average / (1 - MEMORY ** (len(self.smoothed) + 1)))
        self.model.stop_training = self.smoothed[-1] > DIVERGED * min(self.smoothed)


def _longest_descent(values: np.ndarray) -> list[int]:
    """Indices of the longest decreasing subsequence; the earliest one of equals."""
    lengths, before = np.ones(len(values), np.int64), np.full(len(values), -1)
    for i in range(len(values)):
        higher = np.flatnonzero(values[:i] > values[i])
        if len(higher):
            before[i] = higher[np.argmax(lengths[higher])]
            lengths[i] = lengths[before[i]] + 1
    path = [int(np.argmax(lengths))]
    while before[path[-1]] >= 0:
        path.append(int(before[path[-1]]))
    return path[::-1]
