"""Learning-rate schedules: from the recipe's epochs to Keras schedules over steps, which are batches."""

import math
from typing import Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf

from pipeline.errors import UserError
from pipeline.recipe.schedule import (
    Cosine,
    CosineRestarts,
    Exponential,
    OneCycle,
    Polynomial,
    ScheduleConfig,
    Step,
    period_epochs,
)

Rate: TypeAlias = float | keras.optimizers.schedules.LearningRateSchedule


@keras.saving.register_keras_serializable(package="plumbline")
class Warmup(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """Raises the rate from 0 to `peak` in a straight line, then follows another schedule from its own step 0.

    Gradual warm-up of Goyal et al. 2017, "Accurate, Large Minibatch SGD". Step `warmup_steps - 1` is the last one below
    the peak.

    Args:
        peak: Rate at the end of the warm-up.
        warmup_steps: Length of the warm-up, at least 1.
        after: What follows: a constant rate, or a schedule.
    """

    def __init__(self, peak: float, warmup_steps: int, after: Rate):
        self.peak = peak
        self.warmup_steps = warmup_steps
        self.after = after

    def __call__(self, step: Any) -> tf.Tensor:
        """Returns the rate of one step, a float32 scalar; `step` counts from 0."""
        step = tf.cast(step, tf.float32)
        rising = self.peak * step / self.warmup_steps
        after = self.after(tf.maximum(step - self.warmup_steps, 0.0)) if callable(self.after) else self.after
        return tf.where(step < self.warmup_steps, rising, after)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments, serialised."""
        after = keras.saving.serialize_keras_object(self.after)
        return {"peak": self.peak, "warmup_steps": self.warmup_steps, "after": after}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Warmup":
        """Builds the schedule from what `get_config` returned."""
        return cls(**{**config, "after": keras.saving.deserialize_keras_object(config["after"])})


@keras.saving.register_keras_serializable(package="plumbline")
class OneCycleDecay(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """Rises along half a cosine to `peak` and falls along another: Smith and Topin 2018, "Super-Convergence".

    A momentum goes the other way: `peak` is then the lowest value.

    Args:
        initial: Rate of step 0.
        peak: Rate of step `rising_steps`.
        final: Rate of step `num_steps` and all after it.
        rising_steps: Steps of the rise, at least 1.
        num_steps: Steps of both, more than `rising_steps`.
    """

    def __init__(self, initial: float, peak: float, final: float, rising_steps: int, num_steps: int):
        self.initial = initial
        self.peak = peak
        self.final = final
        self.rising_steps = rising_steps
        self.num_steps = num_steps

    def __call__(self, step: Any) -> tf.Tensor:
        """Returns the rate of one step, a float32 scalar; `step` counts from 0."""
        step = tf.cast(step, tf.float32)
        rising = _half_cosine(self.initial, self.peak, step / self.rising_steps)
        fallen = tf.minimum((step - self.rising_steps) / (self.num_steps - self.rising_steps), 1.0)
        return tf.where(step < self.rising_steps, rising, _half_cosine(self.peak, self.final, fallen))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return dict(vars(self))


@keras.saving.register_keras_serializable(package="plumbline")
class ConstantFrom(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """Follows a schedule up to a step, and stays at another rate from there on.

    Args:
        before: A constant rate, or a schedule.
        first_step: The first step at `rate`.
        rate: What stays.
    """

    def __init__(self, before: Rate, first_step: int, rate: float):
        self.before = before
        self.first_step = first_step
        self.rate = rate

    def __call__(self, step: Any) -> tf.Tensor:
        """Returns the rate of one step, a float32 scalar; `step` counts from 0."""
        step = tf.cast(step, tf.float32)
        before = self.before(step) if callable(self.before) else self.before
        return tf.where(step < self.first_step, before, self.rate)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments, serialised."""
        before = keras.saving.serialize_keras_object(self.before)
        return {"before": before, "first_step": self.first_step, "rate": self.rate}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "ConstantFrom":
        """Builds the schedule from what `get_config` returned."""
        return cls(**{**config, "before": keras.saving.deserialize_keras_object(config["before"])})


def learning_rate(schedule: ScheduleConfig, *, peak: float, epochs: int, steps_per_epoch: int) -> Rate:
    """Builds the learning rate as a function of the step.

    Args:
        schedule: The recipe's schedule, in epochs or steps.
        peak: The optimiser's learning rate.
        epochs: Planned passes over the training split; what falls until the end ends with the last of them.
        steps_per_epoch: Batches in a pass.

    Returns:
        A Keras schedule; the peak itself where nothing moves.

    Raises:
        UserError: If the run is too short for the warm-up, or for the first drop or restart.
    """
    num_steps = epochs * steps_per_epoch
    if isinstance(schedule, OneCycle):
        return _one_cycle(schedule, peak, num_steps)
    warmup_steps = schedule.warmup_steps or round(schedule.warmup_epochs * steps_per_epoch)
    if warmup_steps >= num_steps:
        raise UserError(
            f"train.schedule: expected a warm-up shorter than the run's {num_steps} steps. Received: {warmup_steps}"
        )
    after = _after_warmup(schedule, peak, num_steps - warmup_steps, steps_per_epoch)
    return Warmup(peak, warmup_steps, after) if warmup_steps else after


def cycled_momentum(schedule: ScheduleConfig, num_steps: int) -> OneCycleDecay | None:
    """Builds the momentum as a function of the step: lowest where the rate of `one_cycle` is highest.

    Args:
        schedule: The recipe's schedule.
        num_steps: Length of the run.

    Returns:
        None where the momentum stays as it is.
    """
    if not isinstance(schedule, OneCycle) or schedule.momentum is None:
        return None
    lowest, highest = schedule.momentum
    return OneCycleDecay(highest, lowest, highest, _rising_steps(schedule, num_steps), num_steps)


def sampled(rate: Rate, num_steps: int, num_points: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Reads a rate off at evenly spaced steps.

    Args:
        rate: The rate or its schedule.
        num_steps: Length of the run.
        num_points: How many steps to look at, at most.

    Returns:
        Steps, int64 (points,), the first and the last of the run among them; and their rates, float64 (points,).
    """
    steps = np.unique(np.linspace(0, num_steps - 1, num_points).round().astype(np.int64))
    return steps, np.array([float(rate(step)) if callable(rate) else rate for step in steps])


def _after_warmup(schedule: ScheduleConfig, peak: float, num_steps: int, steps_per_epoch: int) -> Rate:
    schedules = keras.optimizers.schedules
    match schedule:
        case Cosine():
            return schedules.CosineDecay(peak, num_steps, alpha=schedule.final_fraction)
        case CosineRestarts():
            first_steps = _period(schedule, num_steps, steps_per_epoch)
            return schedules.CosineDecayRestarts(
                peak, first_steps, schedule.growth, schedule.peak_factor, schedule.final_fraction
            )
        case Exponential():
            return schedules.ExponentialDecay(peak, schedule.every_steps or steps_per_epoch, schedule.decay)
        case Polynomial():
            return schedules.PolynomialDecay(peak, num_steps, peak * schedule.final_fraction, schedule.power)
        case Step():
            every_steps = _period(schedule, num_steps, steps_per_epoch)
            return schedules.ExponentialDecay(peak, every_steps, schedule.factor, staircase=True)
    return peak


def _period(schedule: Step | CosineRestarts, num_steps: int, steps_per_epoch: int) -> int:
    """Steps between two drops, or until the first restart."""
    epochs = period_epochs(schedule)
    given = schedule.every_steps if isinstance(schedule, Step) else schedule.first_steps
    steps = given or max(round((epochs or 0.0) * steps_per_epoch), 1)
    if steps >= num_steps:
        what = "drop" if isinstance(schedule, Step) else "restart"
        raise UserError(
            f"train.schedule: expected the first {what} within the {num_steps} steps after the warm-up. "
            f"Received: {steps} steps"
        )
    return steps


def _one_cycle(schedule: OneCycle, peak: float, num_steps: int) -> Rate:
    if num_steps < 2:
        raise UserError("train.schedule: `one_cycle` expects a run of two steps or more. Received: 1 step")
    initial, final = schedule.initial_fraction * peak, schedule.final_fraction * peak
    return OneCycleDecay(initial, peak, final, _rising_steps(schedule, num_steps), num_steps)


def _rising_steps(schedule: OneCycle, num_steps: int) -> int:
    return min(max(round(schedule.rise * num_steps), 1), num_steps - 1)


def _half_cosine(start: float, end: float, done: tf.Tensor) -> tf.Tensor:
    """From `start` to `end` along half a cosine; `done` is in [0, 1]."""
    return end + (start - end) * (1 + tf.cos(math.pi * done)) / 2
