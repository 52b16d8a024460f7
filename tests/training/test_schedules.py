"""Schedules: the rate at named steps."""

from typing import Any

import keras
import pytest
from pydantic import TypeAdapter

from pipeline.errors import UserError
from pipeline.recipe.train import ScheduleConfig
from pipeline.training.schedules import ConstantFrom, OneCycleDecay, Rate, Warmup, learning_rate, sampled


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


def test_warmup_and_periods_can_be_given_in_steps() -> None:
    assert at(rate_of(type="constant", warmup_steps=4), 0, 1, 4) == pytest.approx([0, 0.25, 1])
    assert at(rate_of(type="step", every_steps=7), 6, 7, 13, 14) == pytest.approx([1, 0.1, 0.1, 0.01])
    assert at(rate_of(type="exponential", decay=0.5, every_steps=4), 2, 4, 8) == pytest.approx([0.5**0.5, 0.5, 0.25])
    assert at(rate_of(type="cosine_restarts", first_steps=8), 7, 8) == pytest.approx([0.0380602, 1])


def test_polynomial_falls_to_its_final_fraction_at_the_end() -> None:
    assert at(rate_of(type="polynomial"), 0, 25, 100) == pytest.approx([1, 0.75, 0])
    assert at(rate_of(type="polynomial", power=2, final_fraction=0.5), 50, 100) == pytest.approx([0.625, 0.5])
    assert at(rate_of(type="polynomial", warmup_epochs=2), 10, 20, 60) == pytest.approx([0.5, 1, 0.5])


def test_cosine_restarts_at_a_lower_peak_after_ever_longer_periods() -> None:
    rate = rate_of(type="cosine_restarts", first_epochs=2, growth=2, peak_factor=0.5, final_fraction=0.2)
    assert at(rate, 0, 10, 20, 40, 60) == pytest.approx([1, 0.6, 0.6, 0.4, 0.4])


def test_one_cycle_rises_to_the_peak_and_falls_to_almost_nothing() -> None:
    rate = rate_of(type="one_cycle", rise=0.3, initial_fraction=0.1, final_fraction=0.01)
    assert at(rate, 0, 15, 30, 65, 100) == pytest.approx([0.1, 0.55, 1, 0.505, 0.01])


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ({"type": "constant", "warmup_steps": 100}, "a warm-up shorter than the run's 100 steps. Received: 100"),
        ({"type": "step", "every_steps": 100}, "the first drop within the 100 steps"),
        ({"type": "cosine_restarts", "first_steps": 90, "warmup_epochs": 1}, "the first restart within the 90 steps"),
    ],
)
def test_a_schedule_that_never_gets_going_is_refused(schedule: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        rate_of(**schedule)


def test_a_constant_rate_takes_over_at_its_step() -> None:
    rate = ConstantFrom(rate_of(type="polynomial"), 50, 0.05)
    assert at(rate, 0, 25, 49, 50, 99) == pytest.approx([1, 0.75, 0.51, 0.05, 0.05])
    assert at(ConstantFrom(1.0, 2, 0.5), 1, 2) == [1, 0.5]
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(rate))
    assert at(again, 25, 60) == at(rate, 25, 60)


def test_a_one_cycle_survives_serialisation() -> None:
    rate = rate_of(type="one_cycle")
    assert isinstance(rate, OneCycleDecay)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(rate))
    assert at(again, 5, 40) == at(rate, 5, 40)


def test_the_picture_shows_the_rate_from_the_first_step_to_the_last() -> None:
    steps, rates = sampled(rate_of(type="polynomial"), 100, num_points=3)
    assert steps.tolist() == [0, 50, 99]
    assert rates.tolist() == pytest.approx([1, 0.5, 0.01])
    assert sampled(0.5, 2)[1].tolist() == [0.5, 0.5]


def test_a_warmup_survives_serialisation() -> None:
    rate = rate_of(type="cosine", warmup_epochs=1)
    assert isinstance(rate, Warmup)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(rate))
    assert at(again, 5, 40) == at(rate, 5, 40)
