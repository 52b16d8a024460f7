"""An oracle in a process of its own: it answers as one in this process does, passes its errors on, and ends with us."""

import multiprocessing
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from models.seeds import seed_for
from pipeline.recipe.load import load_recipe
from tuning.asking import DistantOracle
from tuning.oracles import open_oracle
from tuning.space import Space

OVERRIDES = [
    "tune={algorithm: hyperband, objective: val_loss, space: {model.dropout: {type: float, low: 0.0, high: 0.6}}}",
    "train.epochs=9",
]

DRIVER = """
import multiprocessing, os, sys
from pipeline.recipe.load import load_recipe
from tuning.asking import DistantOracle
from tuning.space import Space

if __name__ == "__main__":
    recipe = load_recipe("digits", sys.argv[1:])
    oracle = DistantOracle(recipe, Space.of(recipe))
    oracle.ask()
    (process,) = multiprocessing.active_children()
    print(process.pid, "tensorflow" in sys.modules, "keras_tuner" in sys.modules, flush=True)
    os.kill(os.getpid(), 9)
"""


def test_it_suggests_what_the_oracle_suggests() -> None:
    recipe = load_recipe("digits", OVERRIDES)
    space = Space.of(recipe)
    seed = seed_for(recipe.seed, "tune")
    here = open_oracle(
        "hyperband",
        space.hyperparameters(),
        direction="min",
        seed=seed,
        max_trials=None,
        max_epochs=9,
        min_epochs=1,
        factor=3,
    )
    there = DistantOracle(recipe, space)
    assert there.rungs(20) == here.rungs(20)
    for _ in range(12):
        asked = here.ask()
        assert there.ask() == asked
        for oracle in (here, there):
            oracle.tell(asked.trial, asked.values["model.dropout"])


def test_its_errors_are_raised_here_and_its_death_is_told() -> None:
    recipe = load_recipe("digits", OVERRIDES)
    oracle = DistantOracle(recipe, Space.of(recipe))
    with pytest.raises(KeyError) as raised:
        oracle.tell(7, 0.5)
    assert "tuning/oracles.py" in raised.value.__notes__[0]
    assert oracle.ask().trial == 0
    (process,) = multiprocessing.active_children()
    process.kill()
    process.join()
    with pytest.raises(RuntimeError, match="the process that suggests trials has died"):
        oracle.ask()


def test_it_ends_with_a_driver_that_is_killed_and_keeps_keras_out_of_it(tmp_path: Path) -> None:
    script = tmp_path / "driver.py"
    script.write_text(DRIVER)
    done = subprocess.run([sys.executable, str(script), *OVERRIDES], capture_output=True, text=True, check=False)
    pid, *imported = done.stdout.split()
    assert imported == ["False", "False"]
    deadline = time.monotonic() + 20
    while psutil.pid_exists(int(pid)) and psutil.Process(int(pid)).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.1)
