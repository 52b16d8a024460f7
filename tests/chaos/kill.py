"""Kills trainings and compares them with undisturbed ones: `python -m tests.chaos.kill --runs 200 --seed 1`."""

import argparse
import json
import multiprocessing
import os
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from pipeline import figures
from pipeline.journal import Journal
from pipeline.preprocess import preprocess
from pipeline.recipe.preprocess import PreprocessConfig
from pipeline.training.setup import TrainingSetup
from tests.chaos.recipes import SOURCE, TRAININGS, setup_of
from tests.chaos.trainings import in_process, outcome, run_to_end, run_with_kills, written
from tests.small_runs import write_digits

MOST_KILLS = 5
"""Of one run; fewer where it ends before."""

TOLD = ("saved", "continued", "half_written", "cut")
"""Counts that `run_with_kills` returns beside those of the kills."""


def main() -> None:
    """Prints one line a run, what came of all in words, and the counts as JSON.

    Ends with 1 if any run differs from its twin.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200, help="Each is killed 1 to 5 times.")
    parser.add_argument("--kills", type=int, default=0, help="More runs are made until there were so many kills.")
    parser.add_argument("--least", type=int, default=1, help="Fewest kills of a run.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only", default="", help="Trainings whose names hold this.")
    given = parser.parse_args()
    names = [name for name in reversed(TRAININGS) if given.only in name][: given.runs]
    began, runs = time.monotonic(), list[dict[str, Any]]()
    figures.save = _draw_nothing  # a fifth of the time, and nothing of what is compared
    # Workers must not have started TensorFlow: each training is a fork of one.
    with tempfile.TemporaryDirectory() as folder, multiprocessing.get_context("fork").Pool(given.workers) as pool:
        place = Path(folder)
        pool.apply(_prepare, (place,))
        first = {SOURCE} if any("transfer" in name for name in names) else set()
        secs = dict(pool.map(partial(_undisturbed, place), first))
        secs |= dict(pool.map(partial(_undisturbed, place), sorted({*names} - first), chunksize=1))
        count = given.runs
        while len(runs) < count:
            numbered = ((i, names[i % len(names)]) for i in range(len(runs), count))
            tasks = [(name, f"{given.seed} {i} {name}") for i, name in numbered]
            for run in pool.imap_unordered(partial(_disturbed, place, secs, given.least), tasks):
                print(json.dumps(run), flush=True)
                runs.append(run)
            if _counts(runs)["kills"] < given.kills:
                count += given.workers
        pool.close()
        pool.join()
    counts = _counts(runs) | {"secs": round(time.monotonic() - began), "cpu_secs": _cpu_secs()}
    print(_in_words(counts))
    print(json.dumps(counts))
    sys.exit(counts["identical"] != counts["runs"])


def _draw_nothing(_: Figure, path: Path) -> None:
    path.touch()


def _prepare(folder: Path) -> None:
    in_process(lambda: _prepared(folder), folder / "prepare.txt")


def _prepared(folder: Path) -> None:
    examples, prepared = write_digits(folder / "examples"), folder / "prepared"
    prepared.mkdir()
    preprocess(PreprocessConfig(), examples=examples, out=prepared, journal=Journal(prepared / "journal.jsonl"))


def _undisturbed(folder: Path, name: str) -> tuple[str, float]:
    """Runs the twin; returns how long it took."""
    began = time.monotonic()
    run_to_end(_setup(folder, name), folder / name)
    return name, time.monotonic() - began


def _disturbed(folder: Path, secs: dict[str, float], least: int, task: tuple[str, str]) -> dict[str, Any]:
    """Runs a training with kills, until one at least has come; returns what became of it."""
    name, seed = task
    chance, expected, calm = random.Random(seed), outcome(folder / name), 0
    while True:
        place = folder / f"{seed} {calm}"
        try:
            told = run_with_kills(_setup(folder, name), place, chance, chance.randint(least, MOST_KILLS), secs[name])
        except AssertionError as failed:
            return {"name": name, "kills": {}, **dict.fromkeys(TOLD, 0), "different": [str(failed)]}
        found = outcome(place)
        different = [part for part in expected if expected[part] != found[part]]
        if told["kills"] or different:
            return {"name": name, **told, "different": different}
        calm += 1


def _setup(folder: Path, name: str) -> TrainingSetup:
    return setup_of(name, folder / "prepared", written(folder / SOURCE) / "network.keras")


def _counts(runs: list[dict[str, Any]]) -> dict[str, Any]:
    kinds = sum((Counter(run["kills"]) for run in runs), Counter[str]())
    return {
        "runs": len(runs),
        "identical": sum(not run["different"] for run in runs),
        "kills": kinds.total(),
        "kinds": dict(kinds.most_common()),
        **{key: sum(run[key] for run in runs) for key in TOLD},
    }


def _cpu_secs() -> int:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return round(used.ru_utime + used.ru_stime)


def _in_words(counts: dict[str, Any]) -> str:
    where = ", ".join(f"{kind} {count}" for kind, count in counts["kinds"].items())
    return (
        f"{counts['identical']} of {counts['runs']} runs ended as their undisturbed twins, to the bit. "
        f"{counts['kills']} processes were killed ({where}): {counts['saved']} left a checkpoint, "
        f"{counts['half_written']} one half written, {counts['cut']} a torn record; "
        f"{counts['continued']} went on from a checkpoint."
    )


if __name__ == "__main__":
    main()
