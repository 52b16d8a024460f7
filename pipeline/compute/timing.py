"""How long a training step takes on this machine, measured once everything is compiled and warm."""
# ruff: noqa: ARG002  (Keras hands all arguments to each method, by name)

import time
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from pipeline.training.assemble import Assembled

NUM_WARMUP = 5
"""Steps that are not counted: the first ones compile, allocate and fill the queue of batches."""

NUM_MEASURED = 20
MIN_EXECUTIONS = 3
SHARE_OF_INTERVAL = 0.9


@dataclass(frozen=True)
class StepTime:
    """Seconds that a step takes."""

    secs: np.ndarray
    """Of each step measured, float64 (steps,)."""

    @property
    def median(self) -> float:
        """A typical step: one that another process disturbed does not move it."""
        return float(np.median(self.secs))

    @property
    def interval(self) -> tuple[float, float]:
        """What nine of ten steps lie in."""
        low, high = np.quantile(self.secs, [(1 - SHARE_OF_INTERVAL) / 2, (1 + SHARE_OF_INTERVAL) / 2])
        return float(low), float(high)


class StepTimer(keras.callbacks.Callback):  # type: ignore[misc]
    """Reads the clock at the end of each step.

    Attributes:
        ends: Seconds on a monotonic clock.
        loss: The mean over the steps so far.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[float] = []
        self.loss = float("nan")

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Waits for the step, by its loss, and reads the clock."""
        self.loss = float((logs or {})["loss"])
        self.ends.append(time.perf_counter())

    def on_test_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Does the same in validation."""
        self.on_train_batch_end(batch, logs)


def run_steps(assembled: Assembled, num_steps: int = NUM_MEASURED) -> StepTimer:
    """Trains for some steps, data path included; the weights are of no use afterwards.

    Args:
        assembled: The training.
        num_steps: Steps to measure, after those that warm up; more where several are executed at once.
    """
    each = assembled.learner.steps_per_execution
    timer, total = StepTimer(), each * (NUM_WARMUP + max(-(-num_steps // each), MIN_EXECUTIONS))
    assembled.learner.fit(
        assembled.training.dataset(num_steps=total),
        steps_per_epoch=total,
        class_weight=assembled.class_weights,
        callbacks=[timer],
        shuffle=False,
        verbose=0,
    )
    return timer


def time_training(assembled: Assembled, num_steps: int = NUM_MEASURED) -> StepTime:
    """Measures training steps, as `run_steps` runs them."""
    return StepTime(steady(run_steps(assembled, num_steps)).secs / assembled.learner.steps_per_execution)


def time_validation(assembled: Assembled, num_steps: int = NUM_MEASURED) -> StepTime:
    """Validates for some steps, going over the split again where it has fewer.

    Args:
        assembled: The training.
        num_steps: Steps to measure, after those that warm up.
    """
    timer, total = StepTimer(), NUM_WARMUP + num_steps
    dataset = assembled.validation.dataset(num_steps=total)
    assembled.learner.evaluate(dataset, steps=total, callbacks=[timer], verbose=0)
    return steady(timer)


def steady(timer: StepTimer) -> StepTime:
    """What lay between two readings, after the warm-up."""
    return StepTime(np.diff(timer.ends)[NUM_WARMUP - 1 :])
