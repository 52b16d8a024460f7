"""As many epochs as fit into a time: forecast from measured ones, and compared with what came."""
# ruff: noqa: ARG002  (Keras hands all arguments to each method, by name)

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.compute.memory import peak_bytes
from pipeline.compute.quantities import duration, size
from pipeline.compute.timing import StepTimer
from pipeline.errors import UserError
from pipeline.journal import Journal
from pipeline.training.assemble import assemble
from pipeline.training.setup import TrainingSetup

NUM_EPOCHS = 6
"""Short epochs that are measured; the first one also compiles."""

MOST_STEPS = 20
"""Steps of each of them at most, of training and of validation; the rest of an epoch is reckoned at their pace."""


@dataclass(frozen=True)
class Pace:
    """How long epochs take, from measured ones."""

    startup_secs: float
    """What assembling takes, and the first epoch longer than others, as it compiles."""
    epoch_secs: tuple[float, ...]
    """Of each measured epoch with its validation."""
    peak_bytes: int
    peak_growth_bytes: int
    """How much of the peak of memory came with the measured epochs."""

    def secs(self, epochs: int) -> float:
        """Expected time of a training."""
        return self.startup_secs + epochs * float(np.mean(self.epoch_secs))

    def interval_secs(self, epochs: int) -> tuple[float, float]:
        """The same if every epoch were as fast as the fastest measured one, and as slow as the slowest."""
        low, high = (self.startup_secs + epochs * bound(self.epoch_secs) for bound in (min, max))
        return low, high


@dataclass(frozen=True)
class Forecast:
    """What a training with a budget is expected to take."""

    epochs: int
    startup_secs: float
    epoch_secs: float
    secs: float
    interval_secs: tuple[float, float]
    peak_bytes: int
    most_bytes: int
    """Upper end of the interval of the peak: if nothing of what the measured epochs took were free again."""

    @property
    def text(self) -> str:
        """The forecast in one line."""
        low, high = map(duration, self.interval_secs)
        return (
            f"{self.epochs} epochs fit: {duration(self.epoch_secs)} each, {duration(self.secs)} in all "
            f"({low} to {high}); peak of memory {size(self.peak_bytes)} (at most {size(self.most_bytes)})"
        )


class _EpochTimer(StepTimer):
    """Reads the clock at steps of training and of validation, epoch by epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.epochs: list[tuple[float, list[float], list[float]]] = []
        """Seconds in all, and the ends of the steps of training and of validation."""

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Starts the clock."""
        self._started, self.ends = time.perf_counter(), []

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Divides the steps of training from those of validation."""
        self._training, self.ends = self.ends, []

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Stops the clock."""
        self.epochs.append((time.perf_counter() - self._started, self._training, self.ends))


def measure_pace(setup: TrainingSetup) -> Pace:
    """Trains for some short epochs, validation included; the weights are of no use afterwards."""
    before, started = peak_bytes(), time.perf_counter()
    assembled = assemble(setup)
    assembling_secs = time.perf_counter() - started
    training, validation, learner = assembled.training, assembled.validation, assembled.learner
    each = learner.steps_per_execution
    # As many whole executions as a short epoch holds, one at least.
    num_steps = min(training.steps_per_epoch, max(MOST_STEPS // each, 1) * each)
    num_validated = min(validation.steps_per_epoch, MOST_STEPS)
    timer = _EpochTimer()
    learner.fit(
        training.dataset(num_steps=NUM_EPOCHS * num_steps),
        epochs=NUM_EPOCHS,
        steps_per_epoch=num_steps,
        validation_data=validation.dataset(num_steps=num_validated),
        class_weight=assembled.class_weights,
        callbacks=[timer],
        shuffle=False,
        verbose=0,
    )
    left = training.steps_per_epoch - num_steps, validation.steps_per_epoch - num_validated
    whole = [
        secs + left[0] * _step_secs(trained, each) + left[1] * _step_secs(validated, each)
        for secs, trained, validated in timer.epochs
    ]
    first, *others = whole
    startup = assembling_secs + max(first - float(np.mean(others)), 0.0)
    return Pace(startup, tuple(others), peak := peak_bytes(), peak - before)


def fit_epochs(pace: Pace, left_secs: float) -> Forecast:
    """Says how many epochs fit.

    Args:
        pace: As measured.
        left_secs: Time that is left for them.

    Raises:
        UserError: If not even one does.
    """
    epochs = math.floor((left_secs - pace.startup_secs) / float(np.mean(pace.epoch_secs)))
    if epochs < 1:
        raise UserError(
            f"train.budget: expected time for one epoch at least, which takes {duration(pace.secs(1))} here. "
            f"There are {duration(max(left_secs, 0))} left after measuring; give more, or less data"
        )
    return Forecast(
        epochs=epochs,
        startup_secs=pace.startup_secs,
        epoch_secs=float(np.mean(pace.epoch_secs)),
        secs=pace.secs(epochs),
        interval_secs=pace.interval_secs(epochs),
        peak_bytes=pace.peak_bytes,
        most_bytes=pace.peak_bytes + pace.peak_growth_bytes,
    )


def report(forecast: Forecast, *, epochs: int, secs: float, journal: Journal) -> None:
    """Says how wrong a forecast was.

    Args:
        forecast: Before training.
        epochs: Epochs that ran: early stopping leaves some out.
        secs: What they took.
        journal: Is told, in words and as metrics `forecast/*`.
    """
    expected, peak = forecast.startup_secs + epochs * forecast.epoch_secs, peak_bytes()
    error, peak_error = secs / expected - 1, peak / forecast.peak_bytes - 1
    journal.say(
        f"forecast: {epochs} epochs took {duration(secs)} and not {duration(expected)} ({error:+.0%}); "
        f"peak of memory {size(peak)} and not {size(forecast.peak_bytes)} ({peak_error:+.0%})"
    )
    journal.log_metrics(
        {
            "forecast/secs": expected,
            "forecast/actual_secs": secs,
            "forecast/error": error,
            "forecast/peak_bytes": forecast.peak_bytes,
            "forecast/actual_peak_bytes": peak,
            "forecast/peak_error": peak_error,
        }
    )


def _step_secs(ends: list[float], each: int) -> float:
    """Mean time of a step between the first reading and the last; all of it if there is one reading only."""
    return (ends[-1] - ends[0]) / ((len(ends) - 1) * each) if len(ends) > 1 else 0.0
