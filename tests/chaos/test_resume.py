"""Trainings that are killed at random instants end as those that were not, to the bit.

The longer form is `make chaos`. Each training is a real process that SIGKILL ends from outside (`tests/chaos/kill.py`).
"""

import json
import subprocess
import sys

import pytest

NUM_KILLS = 28


@pytest.mark.timeout(900)  # a minute where nothing else runs
def test_killed_trainings_end_as_undisturbed_ones() -> None:
    command = [sys.executable, "-m", "tests.chaos.kill", "--kills", str(NUM_KILLS), "--seed", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=890)
    counts = json.loads(done.stdout.splitlines()[-1])
    assert counts["identical"] == counts["runs"], done.stdout
    assert counts["kills"] >= NUM_KILLS
    assert counts["continued"] >= NUM_KILLS / 2, "most kills are to come after the first checkpoint"
