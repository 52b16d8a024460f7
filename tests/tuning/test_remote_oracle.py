"""An oracle in a process of its own: it answers as one in this process does, tells its errors, and ends with us."""

import contextlib
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from models.seeds import seed_for
from pipeline.recipe.load import load_recipe
from tuning.oracles import open_oracle
from tuning.remote_oracle import RemoteOracle
from tuning.space import Space

OVERRIDES = [
    "tune={algorithm: hyperband, objective: val_loss, space: {model.dropout: {type: float, low: 0.0, high: 0.6}}}",
    "train.epochs=9",
]

DRIVER = """
import os, sys
from pipeline.recipe.load import load_recipe
from tuning.remote_oracle import RemoteOracle
from tuning.space import Space

if __name__ == "__main__":
    recipe = load_recipe("digits", sys.argv[1:])
    oracle = RemoteOracle(recipe, Space.of(recipe))
    oracle.ask()
    print(oracle.process.pid, "tensorflow" in sys.modules, "keras_tuner" in sys.modules, flush=True)
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
    with contextlib.closing(RemoteOracle(recipe, space)) as there:
        assert there.rungs(20) == here.rungs(20)
        for _ in range(12):
            asked = here.ask()
            assert there.ask() == asked
            for oracle in (here, there):
                oracle.tell(asked.trial, asked.values["model.dropout"])
    assert not there.process.is_alive()


def test_its_errors_and_its_death_are_told() -> None:
    recipe = load_recipe("digits", OVERRIDES)
    with contextlib.closing(RemoteOracle(recipe, Space.of(recipe))) as oracle:
        with pytest.raises(RuntimeError, match=r"(?s)the oracle failed in its process:.*oracles\.py.*KeyError: 7"):
            oracle.tell(7, 0.5)
        assert oracle.ask().trial == 0
        oracle.process.kill()
        oracle.process.join()
        with pytest.raises(RuntimeError, match=r"has died\. What it was told is kept: --resume goes on"):
            oracle.ask()


def test_it_ends_with_a_driver_that_is_killed_and_keeps_keras_out_of_it(tmp_path: Path) -> None:
    script = tmp_path / "driver.py"
    script.write_text(DRIVER)
    with (tmp_path / "out.txt").open("w") as out:
        subprocess.run([sys.executable, str(script), *OVERRIDES], stdout=out, stderr=out, check=False, timeout=120)
    pid, *imported = (tmp_path / "out.txt").read_text().split()[-3:]
    assert imported == ["False", "False"]
    deadline = time.monotonic() + 20
    with contextlib.suppress(psutil.NoSuchProcess):
        while psutil.Process(int(pid)).status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline
            time.sleep(0.1)
