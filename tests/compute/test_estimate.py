"""What `plumbline plan` measures and says."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from click.testing import CliRunner

from pipeline.cli import main
from pipeline.compute.estimate import estimate
from pipeline.compute.quantities import duration, size
from pipeline.compute.timing import StepTime, time_training, time_validation
from pipeline.training.assemble import Assembled, assemble
from pipeline.training.setup import TrainingSetup
from tests.small_runs import Stages, model, train_section


def assembled(prepared: Path, *, batch_size: int = 32, units: int = 16, **section: Any) -> Assembled:
    setup = TrainingSetup(
        section=train_section(**section),
        model=model(type="mlp", units=[units]),
        batch_size=batch_size,
        seed=42,
        prepared=prepared,
    )
    return assemble(setup)


def test_the_steps_asked_for_are_measured_after_the_warm_up(digits: Stages) -> None:
    training = assembled(digits.prepared)
    assert time_training(training, num_steps=12).secs.shape == (12,)
    assert training.learner.optimizer.iterations == 12 + 5
    assert time_validation(training, num_steps=3).secs.shape == (3,)


@pytest.mark.slow
def test_a_larger_network_takes_longer_a_step(digits: Stages) -> None:
    small, large = (time_training(assembled(digits.prepared, units=units)).median for units in (16, 8192))
    assert large > 2 * small


def test_a_step_that_was_disturbed_moves_the_interval_only() -> None:
    steady = StepTime(np.array([0.1] * 19 + [9.0]))
    assert steady.median == pytest.approx(0.1)
    assert steady.interval[0] == pytest.approx(0.1)
    assert StepTime(np.array([0.1, 0.2, 0.3])).interval == pytest.approx((0.11, 0.29))


def test_time_and_disk_follow_from_steps_and_folders(digits: Stages) -> None:
    found = estimate(assembled(digits.prepared, epochs=3), [digits.prepared])
    assert (found.steps_per_epoch, found.validation_steps, found.epochs) == (10, 2, 3)
    assert found.epoch_secs == pytest.approx(10 * found.training_step.median + 2 * found.validation_step.median)
    assert found.epoch_interval_secs[0] <= found.epoch_secs <= found.epoch_interval_secs[1]
    assert found.data_bytes == sum(len(file.read_bytes()) for file in digits.prepared.rglob("*") if file.is_file())
    assert found.cost.memory_bytes(32) < found.peak_bytes < psutil.virtual_memory().total
    assert found.cost.flops == 2 * (64 * 16 + 16 * 10)


@pytest.mark.slow
def test_plan_prints_the_estimate_and_trains_nothing(here: Path) -> None:
    done = CliRunner().invoke(main, ["plan", "digits", "model.filters=[8]"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    for name in (
        "parameters",
        "FLOPs an example",
        "activations",
        "optimiser",
        "at least",
        "peak",
        "step",
        "epoch",
        "disk",
    ):
        assert name in done.output
    assert not (here / "mlruns" / "stages" / "train").exists()


@pytest.mark.slow
def test_plan_settles_what_is_left_to_measurement(here: Path) -> None:
    overrides = ["model.filters=[8]", "train.batch_size=16", "train.budget=10m"]
    done = CliRunner().invoke(main, ["plan", "digits", *overrides], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert ", 16 in a batch" in done.output
    (fitting,) = re.findall(r"(\d+) epochs fit", done.output)
    assert int(fitting) > 100
    assert f"{fitting} epochs at most" in done.output


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (duration(0.0123), "0.012 s"),
        (duration(42.4), "42 s"),
        (duration(200), "3 min 20 s"),
        (duration(7500), "2 h 5 min"),
        (size(1536), "1.5 KiB"),
        (size(1020), "1020 B"),
        (size(3 * 2**30), "3 GiB"),
    ],
)
def test_quantities_are_said_as_people_say_them(text: str, expected: str) -> None:
    assert text == expected
