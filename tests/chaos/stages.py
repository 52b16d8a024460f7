"""Kills whole runs, in any of their stages, and runs them again: `python -m tests.chaos.stages --runs 8 --seed 1`.

Compared with an undisturbed run are the results of all stages, the test metrics, the curves, the versions in the
registry and who is champion; and record by record what each run's folder holds with what MLflow has of it.
"""

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import journal
from pipeline.cache import Entry
from pipeline.execution import run
from pipeline.journal import CLOCKED
from pipeline.register import DECISION
from pipeline.registry import KEY, MODEL, Registry
from pipeline.stages import NAMES
from pipeline.sync import sync
from pipeline.tracking import RunFolder, Sender, open_store, run_folders
from tests.chaos.instants import OUTSIDE, Instant
from tests.chaos.trainings import in_process, is_killed
from tests.tracking.ledger import of_folder, of_store

MOST_KILLS = 5
PLACES: dict[str, tuple[Any, str]] = {
    "stage commit": (Entry, "save"),
    "journal append": (journal, "_write"),
    "torn append": (journal, "_write"),
    "sync": (Sender, "_send"),
    "registering": (Registry, "register"),
    "champion": (Registry, "promote"),
}
"""Kind of instant to the function in which it lies."""


def main() -> None:
    """Prints one line a run and the counts as JSON; ends with 1 if a run differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=8, help="Each is killed 1 to 5 times.")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    began, counts, kinds = time.monotonic(), Counter[str](), Counter[str]()
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        _write_data(base / "data.csv")
        in_process(lambda: _make_store(base), base / "store.txt")
        secs = time.monotonic()
        in_process(lambda: _run(_new(base, "twin")), base / "twin.txt")
        secs = time.monotonic() - secs
        expected = _outcome(base / "twin")
        for i in range(given.runs):
            folder = _new(base, str(i))
            killed = _run_with_kills(folder, random.Random(f"{given.seed} {i}"), secs)
            found = _outcome(folder)
            different = [part for part in expected if found[part] != expected[part]]
            print(json.dumps({"kills": killed, "different": different}), flush=True)
            kinds.update(killed)
            counts.update({"runs": 1, "identical": not different})
    secs = round(time.monotonic() - began)
    print(json.dumps({**counts, "kills": kinds.total(), "kinds": dict(kinds), "secs": secs}))
    sys.exit(counts["identical"] != counts["runs"])


def _run_with_kills(folder: Path, chance: random.Random, secs: float) -> Counter[str]:
    killed = Counter[str]()
    for _ in range(chance.randint(1, MOST_KILLS)):
        instant = _draw(folder, chance)
        work = partial(_run, folder, instant)
        if not is_killed(work, folder / "output.txt", after_secs=None if instant else chance.random() * secs):
            break
        killed[instant.kind if instant else OUTSIDE] += 1
    in_process(lambda: _run(folder), folder / "output.txt")
    return killed


def _draw(folder: Path, chance: random.Random) -> Instant | None:
    num_done = len(list(folder.glob("mlruns/stages/*/[!.]*/entry.json")))
    kind = chance.choice([OUTSIDE, *PLACES])
    most = {"stage commit": len(NAMES) - num_done, "journal append": 60, "torn append": 60, "sync": 2}
    call, share = chance.randint(1, max(1, most.get(kind, 1))), chance.random()
    return None if kind == OUTSIDE else Instant(kind, call, share)


def _run(folder: Path, instant: Instant | None = None) -> None:
    if instant:
        instant.arm(PLACES)
    run(
        {
            "name": "killed",
            "data": {"type": "csv", "path": str(folder.parent / "data.csv"), "label": "label", "batch_size": 16},
            "model": {"type": "mlp", "units": [8], "dropout": 0.2},
            "train": {"epochs": 4, "checkpoint": {"every_steps": 1}},
            "tracking": {"directory": str(folder / "mlruns"), "uri": _uri(folder)},
        }
    )


def _outcome(folder: Path) -> dict[str, Any]:
    """All that must be the same, once everything was sent."""
    path = folder / "outcome.json"
    in_process(lambda: path.write_text(json.dumps(_look(folder))) and None, folder / "output.txt")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def _look(folder: Path) -> dict[str, Any]:
    list(sync(folder / "mlruns"))
    store, folders = open_store(_uri(folder), folder), list(run_folders(folder / "mlruns" / "runs"))
    there = {each.path.name: _is_there(each, folder) for each in folders}
    (last,) = (each for each in folders if of_folder(each).statuses[""] == "FINISHED")
    metrics = Counter(
        f"{run} {name} {value} {step}" for run, name, value, step, _ in of_folder(last).metrics if _is_result(run, name)
    )
    entries = {
        name: json.loads(next(folder.glob(f"mlruns/stages/{name}/[!.]*/entry.json")).read_text()) for name in NAMES
    }
    versions = store.client.search_model_versions("name = 'killed'")
    return {
        "stages": {name: entry["result"]["fingerprint"] for name, entry in entries.items()},
        "left": [str(path) for path in folder.glob("mlruns/stages/*/.*.partial")],
        "metrics": dict(sorted(metrics.items())),
        "sent": all(there.values()),
        "versions": [
            [v.version, {k: t for k, t in v.tags.items() if k not in (KEY, MODEL, DECISION)}] for v in versions
        ],
        "champion": store.client.get_model_version_by_alias("killed", "champion").version,
        "others": sorted({of_folder(each).statuses[""] for each in folders if each != last} - {"KILLED"}),
    }


def _is_there(folder: RunFolder, base: Path) -> bool:
    scratch = base / "copies" / folder.path.name
    scratch.mkdir(parents=True)
    return of_folder(folder) == of_store(open_store(_uri(base), base), folder.header.id, scratch)


def _is_result(run: str, name: str) -> bool:
    return not run and not name.endswith(CLOCKED) and not name.startswith("system/")


def _uri(folder: Path) -> str:
    return f"sqlite:///{folder}/mlflow.db"


def _new(base: Path, name: str) -> Path:
    (base / name).mkdir()
    shutil.copyfile(base / "mlflow.db", base / name / "mlflow.db")
    return base / name


def _make_store(base: Path) -> None:
    open_store(_uri(base), base)


def _write_data(path: Path) -> None:
    numbers = np.random.Generator(np.random.PCG64(0)).normal(size=(200, 2))
    lines = [f"{a:.3f},{b:.3f},{'yes' if a > b else 'no'}" for a, b in numbers]
    path.write_text("\n".join(["a,b,label", *lines]))


if __name__ == "__main__":
    main()
