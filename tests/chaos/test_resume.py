"""Trainings that are killed at random instants end as those that were not, to the bit.

The longer form is `make chaos`. Each training is a real process that SIGKILL ends; `instants.py` says when.
"""

import json
import subprocess
import sys

import pytest

from pipeline.training.optimizers import OPTIMIZERS
from tests.chaos.recipes import TRAININGS

NUM_KILLS = 12
NOT_OFFERED = {"optimizer", "lossscaleoptimizer", "multioptimizer"}
"""The class of all, the one that `train.precision` adds, and the one that takes functions."""

TECHNIQUES = (
    *(f"'type': '{name}'" for name in ("ema", "swa", "mixup", "cutmix", "noise", "RandomTranslation", "GRU")),
    *(f"'type': '{name}'" for name in ("cosine", "cosine_restarts", "exponential", "polynomial", "step", "one_cycle")),
    *(f"'dropout_type': '{name}'" for name in ("spatial", "gaussian", "alpha")),
    *("batch_norm", "stochastic_depth", "input_noise", "reduce_on_plateau", "early_stopping", "sam", "mixed_float16"),
    *("accumulate_steps", "steps_per_execution", "balanced", "class_weights", "fine_tuning", "mirrored"),
)


def test_the_trainings_hold_every_technique_that_keeps_something() -> None:
    used = {section.get("optimizer", {}).get("type", "adam") for section in TRAININGS.values()}
    assert set(OPTIMIZERS) - NOT_OFFERED - used == set()
    assert [name for name in TECHNIQUES if name not in repr(TRAININGS)] == []


@pytest.mark.slow
@pytest.mark.timeout(900)  # a minute where nothing else runs
def test_killed_trainings_end_as_undisturbed_ones() -> None:
    command = [sys.executable, "-m", "tests.chaos.kill", "--runs", "3", "--kills", str(NUM_KILLS), "--least", "4"]
    done = subprocess.run([*command, "--only", ", ", "--seed", "1"], capture_output=True, text=True, timeout=890)
    counts = json.loads(done.stdout.splitlines()[-1])
    assert counts["identical"] == counts["runs"], done.stdout
    assert counts["kills"] >= NUM_KILLS
    assert counts["saved"] >= counts["kills"] / 2, "most kills are to come after the first checkpoint"
    assert counts["continued"] >= counts["saved"] / 3, "a second kill at one place is counted as one continuation"
