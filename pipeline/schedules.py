"""Learning-rate schedules: from the recipe's epochs to Keras schedules over optimiser steps."""

from typing import Any, TypeAlias

import keras
import tensorflow as tf

from pipeline.recipe.train import Cosine, Exponential, ScheduleConfig, Step

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


def learning_rate(schedule: ScheduleConfig, *, peak: float, epochs: int, steps_per_epoch: int) -> Rate:
    """Builds the learning rate as a function of the optimiser's step.

    Args:
        schedule: The recipe's schedule, in epochs.
        peak: The optimiser's learning rate.
        epochs: Planned passes over the training split; the cosine ends with the last of them.
        steps_per_epoch: Batches in a pass.

    Returns:
        A Keras schedule; the peak itself where nothing moves.
    """
    warmup_steps = round(schedule.warmup_epochs * steps_per_epoch)
    after = _after_warmup(schedule, peak, epochs * steps_per_epoch - warmup_steps, steps_per_epoch)
    return Warmup(peak, warmup_steps, after) if warmup_steps else after


def _after_warmup(schedule: ScheduleConfig, peak: float, num_steps: int, steps_per_epoch: int) -> Rate:
    keras_schedules = keras.optimizers.schedules
    if isinstance(schedule, Cosine):
        return keras_schedules.CosineDecay(peak, max(num_steps, 1), alpha=schedule.final_fraction)
    if isinstance(schedule, Exponential):
        return keras_schedules.ExponentialDecay(peak, steps_per_epoch, schedule.decay)
    if isinstance(schedule, Step):
        every_steps = max(round(schedule.every_epochs * steps_per_epoch), 1)
        return keras_schedules.ExponentialDecay(peak, every_steps, schedule.factor, staircase=True)
    return peak
