"""Parts of batches: the same update as the whole, and a size that memory allows."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.compute.fitting import halved, in_parts, largest_part
from pipeline.compute.probe import probe
from pipeline.errors import UserError
from pipeline.serving.compose import load_model
from pipeline.training.setup import TrainingSetup
from tests.small_runs import Stages, model, train_section, train_small

WIDE = model(type="mlp", units=[200_000])
"""Each example has 800 kB of every activation."""


def setup(digits: Stages, network: Any = WIDE, *, batch_size: int = 256, **section: Any) -> TrainingSetup:
    section = {"optimizer": {"type": "sgd", "learning_rate": 0.01}, **section}
    return TrainingSetup(
        section=train_section(**section), model=network, batch_size=batch_size, seed=42, prepared=digits.prepared
    )


def test_sizes_are_divisors_each_at_most_half_of_the_one_before() -> None:
    assert list(halved(64)) == [64, 32, 16, 8, 4, 2, 1]
    assert list(halved(100)) == [100, 50, 25, 10, 5, 2, 1]
    assert list(halved(1)) == [1]


def test_parts_multiply_what_counts_batches(digits: Stages) -> None:
    schedule = {"type": "step", "every_steps": 10, "warmup_steps": 3}
    parts = in_parts(setup(digits, batch_size=60, accumulate_steps=2, schedule=schedule), 15)
    assert parts.batch_size == 15
    assert parts.section.accumulate_steps == 8
    assert parts.section.schedule.model_dump() == {
        **train_section(schedule=schedule).schedule.model_dump(),
        "every_steps": 40,
        "warmup_steps": 12,
    }


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", [{"type": "sgd", "learning_rate": 0.1}, {"type": "adam", "learning_rate": 0.01}])
def test_parts_give_the_weights_of_the_whole_batch(digits: Stages, tmp_path: Path, optimizer: dict[str, Any]) -> None:
    network = model(type="mlp", units=[16], l2=1e-3)
    weights = []
    for part in (None, 15):
        section = train_section(epochs=2, optimizer=optimizer, batch_size=part)
        folder = train_small(digits.prepared, tmp_path / str(part), network, section, batch_size=60)
        weights.append(load_model(folder / "network.keras").get_weights())
    for whole, parts in zip(*weights, strict=True):
        np.testing.assert_allclose(whole, parts, rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_what_runs_out_of_memory_is_tried_in_smaller_parts(digits: Stages) -> None:
    part, probed = largest_part(setup(digits), memory_bytes=900 * 2**20)
    assert part < 256
    assert 256 % part == 0
    assert probed.peak_bytes > 2**20
    assert probed.step.median > 0


@pytest.mark.slow
def test_a_network_too_large_for_one_example_is_refused(digits: Stages) -> None:
    with pytest.raises(UserError, match=r"train.batch_size: expected a network that takes one example in the 1 MiB"):
        largest_part(setup(digits, batch_size=1), memory_bytes=2**20)


@pytest.mark.slow
def test_a_mistake_in_the_recipe_is_said_as_one(digits: Stages) -> None:
    with pytest.raises(UserError, match=r"train.optimizer.type: expected one of .*Received: 'adamm'"):
        probe(setup(digits, optimizer={"type": "adamm"}), 1)
