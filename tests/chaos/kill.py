"""Kills trainings and compares them with undisturbed ones: `python -m tests.chaos.kill --kills 200 --seed 1`."""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from pipeline.journal import Journal
from pipeline.preprocess import preprocess
from pipeline.recipe.preprocess import PreprocessConfig
from tests.chaos.recipes import SOURCE, TRAININGS, setup_of
from tests.chaos.trainings import in_process, outcome, run_to_end, run_with_kills, written
from tests.small_runs import write_digits

LEAST_KILLS, MOST_KILLS = 2, 5
"""Of one run; fewer where it ends before, or enough were killed."""


def main() -> None:
    """Prints one line a run and the counts as JSON; ends with 1 if any run differs from its twin."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="How many at least.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only", default="", help="Trainings whose names hold this.")
    given = parser.parse_args()
    names = [name for name in TRAININGS if given.only in name]
    kills_each = -(-given.kills // len(names))
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        runs = _share(Path(folder), names, kills_each, given.seed, given.workers)
    counts = {key: sum(run[key] for run in runs) for key in ("kills", "continued", "half_written")}
    identical = sum(not run["different"] for run in runs)
    secs = round(time.monotonic() - started)
    print(json.dumps({"runs": len(runs), "identical": identical, **counts, "secs": secs}))
    sys.exit(identical != len(runs))


def _share(folder: Path, names: list[str], kills_each: int, seed: int, workers: int) -> list[dict[str, Any]]:
    """Shares the trainings out to processes; returns what each run was."""
    prepared = folder / "prepared"
    in_process(lambda: _prepare(folder), folder / "prepare.txt")
    children = []
    for worker in range(workers):
        if not (child := os.fork()):
            status = 1
            try:
                runs = [
                    run for name in names[worker::workers] for run in _try(folder, prepared, name, kills_each, seed)
                ]
                (folder / f"runs {worker}.json").write_text(json.dumps(runs))
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    for child in children:
        assert os.waitpid(child, 0)[1] == 0
    return [run for worker in range(workers) for run in json.loads((folder / f"runs {worker}.json").read_text())]


def _try(folder: Path, prepared: Path, name: str, kills_each: int, seed: int) -> list[dict[str, Any]]:
    """Runs one training without a disturbance, then with kills until there were enough."""
    source = folder / name / "source"
    if "transfer" in name:
        run_to_end(setup_of(SOURCE, prepared), source)
    setup = setup_of(name, prepared, written(source) / "network.keras")
    twin = folder / name / "twin"
    run_to_end(setup, twin)
    expected, runs = outcome(twin), list[dict[str, Any]]()
    while sum(run["kills"] for run in runs) < kills_each:
        chance, place = random.Random(f"{seed} {len(runs)} {name}"), folder / name / str(len(runs))
        count = min(chance.randint(LEAST_KILLS, MOST_KILLS), kills_each - sum(run["kills"] for run in runs))
        told = run_with_kills(setup, place, chance, count)
        found = outcome(place)
        runs.append({"name": name, **told, "different": [part for part in expected if expected[part] != found[part]]})
        print(json.dumps(runs[-1]), flush=True)
    return runs


def _prepare(folder: Path) -> None:
    examples, prepared = write_digits(folder / "examples"), folder / "prepared"
    prepared.mkdir()
    preprocess(PreprocessConfig(), examples=examples, out=prepared, journal=Journal(prepared / "journal.jsonl"))


if __name__ == "__main__":
    main()
