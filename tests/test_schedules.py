"""Schedules: the rate at named steps."""

from typing import Any

import keras
import pytest
from pydantic import TypeAdapter

from pipeline.recipe.train import ScheduleConfig
from pipeline.schedules import Rate, Warmup, learning_rate


def rate_of(epochs: int = 10, **schedule: Any) -> Rate:
    """A rate of peak 1 over epochs of 10 steps."""
    section = TypeAdapter(ScheduleConfig).validate_python(schedule)
    return learning_rate(section, peak=1.0, epochs=epochs, steps_per_epoch=10)


def at(rate: Rate, *steps: int) -> list[float]:
    assert callable(rate)
    return [float(rate(step)) for step in steps]


def test_a_constant_rate_needs_no_schedule() -> None:
    assert rate_of(type="constant") == 1.0


def test_warmup_rises_in_a_straight_line_and_then_stays() -> None:
    rate = rate_of(type="constant", warmup_epochs=2)
    assert at(rate, 0, 5, 10, 20, 99) == pytest.approx([0, 0.25, 0.5, 1, 1])


def test_cosine_ends_with_the_last_epoch_at_its_final_fraction() -> None:
    assert at(rate_of(type="cosine", final_fraction=0.2), 0, 50, 100) == pytest.approx([1, 0.6, 0.2])


def test_cosine_after_warmup_takes_the_steps_that_are_left() -> None:
    rate = rate_of(type="cosine", warmup_epochs=2)
    assert at(rate, 10, 20, 60, 100) == pytest.approx([0.5, 1, 0.5, 0], abs=1e-6)


def test_exponential_multiplies_by_decay_each_epoch_smoothly() -> None:
    assert at(rate_of(type="exponential", decay=0.25), 0, 5, 10, 20) == pytest.approx([1, 0.5, 0.25, 0.0625])


def test_step_drops_at_its_epochs_only() -> None:
    rate = rate_of(type="step", every_epochs=3, factor=0.1)
    assert at(rate, 0, 29, 30, 59, 60) == pytest.approx([1, 1, 0.1, 0.1, 0.01])


def test_a_warmup_survives_serialisation() -> None:
    rate = rate_of(type="cosine", warmup_epochs=1)
    assert isinstance(rate, Warmup)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(rate))
    assert at(again, 5, 40) == at(rate, 5, 40)
