"""Our search beside stock Keras Tuner's `search()`: `python -m benchmarks.tuning [--seeds 5]`; 50 minutes on two cores.

Random search for a digits network, the oracle's seed and so the points the same, on the same split, each search in a
process and a folder of its own, one after the other. Stock is given the arrays; ours prepares them in its time. Stock
runs twelve trials. Ours is given the wall time that this takes, and goes on past that number if it can; then it
runs twelve without stopping sick trials. At the end one worker is compared with two, and two plain trainings at
once with one, which says what the processors allow. Time is wall time from the start of the process, imports included;
memory is the largest proportional set size of the process with all its children.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean, median
from typing import Any

import psutil

TRIALS, EPOCHS, PLAIN_EPOCHS = 12, 30, 150
WORKERS_TRIALS = 8
"""Of the searches by one worker and by two, at most."""

SPACE = {
    "train.optimizer.learning_rate": {"type": "float", "low": 1e-4, "high": 1e-1, "log": True},
    "model.filters": {"type": "choice", "values": [[16, 32], [32, 64]]},
    "model.dropout": {"type": "float", "low": 0.0, "high": 0.6},
}
RECIPE = {
    "name": "digits",
    "data": {"type": "digits", "batch_size": 64},
    "preprocess": {"normalize": "unit"},
    "model": {"type": "cnn", "units": 128},
    "tracking": {"system_metrics": False},
    "tune": {"algorithm": "random", "objective": "val_accuracy", "finalists": 0, "space": SPACE},
}

Found = dict[str, Any]
"""What a search writes: `trials`, each with `secs` from the start, `score`, `epochs`, `stopped` and `point`; ours with
the seconds that it has `taken` as well."""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seeds", type=int, default=5, help="0: only compare one worker with two")
    arguments.add_argument("--trials", type=int, default=TRIALS)
    arguments.add_argument("--epochs", type=int, default=EPOCHS)
    arguments.add_argument("--one", help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.one:
        asked = json.loads(given.one)
        work = {"prepare": prepare, "stock": search_stock, "ours": search_ours, "plain": train_plain}[asked.pop("work")]
        Path("found.json").write_text(json.dumps(work(**asked)), encoding="utf-8")
        return
    compared = [compare(seed, given.trials, given.epochs) for seed in range(given.seeds)]
    if compared:
        print(*against_stock(compared), *sick_stopped(compared), sep="\n")
    print(*workers_compared(min(given.trials, WORKERS_TRIALS), given.epochs), sep="\n")


def compare(seed: int, trials: int, epochs: int) -> dict[str, Found]:
    """Runs the searches of one seed, and prints a line of each as it ends."""
    same: dict[str, Any] = {"seed": seed, "trials": trials, "epochs": epochs}
    with tempfile.TemporaryDirectory() as folder:
        run_alone(Path(folder), work="prepare", seed=seed)
        stock = measured(f"seed {seed}, stock", trials, work="stock", arrays=folder, **same)
    ours = {**same, "work": "ours", "workers": 2}
    as_long = {**ours, "trials": 3 * trials, "budget_secs": stock["secs"]}
    found = {
        "stock": stock,
        "ours": measured(f"seed {seed}, ours, as long", trials, **as_long),
        "unstopped": measured(f"seed {seed}, ours, none stopped", trials, **ours, stop_sick=False),
    }
    points = [[each["point"] for each in found[name]["trials"][:trials]] for name in found]
    assert all(some == points[0][: len(some)] for some in points), "not the same points"
    return found


def against_stock(compared: Sequence[dict[str, Found]]) -> list[str]:
    """Wall time of the same trials, and the time to stock's best."""
    shares, reached, better = [], [], 0
    for found in compared:
        stock, ours, trials = found["stock"], found["ours"], len(found["stock"]["trials"])
        shares.append(time_of(ours, trials) / stock["secs"])
        secs = [each["secs"] for each in ours["trials"] if (each["score"] or 0) >= best(stock)]
        reached.append(min(secs, default=float("inf")) / stock["secs"])
        in_time = [each for each in ours["trials"] if each["secs"] <= stock["secs"]]
        better += best({"trials": in_time}) >= best(stock)
    largest = [max(found[name]["memory"] for found in compared) / 2**20 for name in ("stock", "ours")]
    return [
        f"the same trials, wall time, ours / stock: {spread(shares)}",
        f"to stock's best, share of stock's time: {spread(reached)}; reached within it in "
        f"{sum(share <= 1 for share in reached)} of {len(reached)} seeds, within half of it in "
        f"{sum(share <= 0.5 for share in reached)}",
        f"best in the same time as good or better in {better} of {len(compared)} seeds",
        f"memory: stock {largest[0]:.0f} MiB, ours {largest[1]:.0f} MiB with 2 trials at once",
    ]


def sick_stopped(compared: Sequence[dict[str, Found]]) -> list[str]:
    """The same trials with and without stopping sick ones, as many as ended in both."""
    times, epochs, lost, stopped, number = [], [], [], 0, 0
    for found in compared:
        count = min(len(found[name]["trials"]) for name in ("ours", "unstopped"))
        on, off = found["ours"]["trials"][:count], found["unstopped"]["trials"][:count]
        times.append(time_of(found["ours"], count) / time_of(found["unstopped"], count))
        epochs.append(sum(each["epochs"] for each in on) / sum(each["epochs"] for each in off))
        lost.append(max(each["score"] or 0 for each in off) - max(each["score"] or 0 for each in on))
        stopped += sum(each["stopped"] for each in on)
        number += count
    return [
        f"sick trials stopped: {stopped} of {number}; epochs, on / off: {spread(epochs)}; wall time: {spread(times)}; "
        f"best, off - on: largest {max(lost):+.4f}"
    ]


def workers_compared(trials: int, epochs: int) -> list[str]:
    """The same trials by one worker and by two, from the first start to the last end; and what the processors allow."""
    same = {"work": "ours", "seed": 0, "trials": trials, "epochs": epochs}
    secs = []
    for workers in (1, 2):
        found = measured(f"workers: {workers}", trials, workers=workers, **same)
        # The start of the driver and the measuring of the recipe are alike for both.
        secs.append(time_of(found, trials) - min(each["secs"] - each["taken"] for each in found["trials"]))
    with tempfile.TemporaryDirectory() as folder:
        run_alone(Path(folder), work="prepare", seed=0)
        alone, together = plain_secs(1, folder), plain_secs(2, folder)
    return [
        f"two workers are {secs[0] / secs[1]:.2f} times as fast as one ({trials} trials)",
        f"the processors allow: two plain trainings at once are {2 * alone / together:.2f} times as fast as in turn",
    ]


def plain_secs(number: int, arrays: str) -> float:
    """Mean seconds of plain trainings on one thread each, so many at once."""
    places = [Path(arrays, f"{i} of {number}") for i in range(number)]
    with ThreadPoolExecutor() as pool:
        for place in places:
            place.mkdir()
        running = [pool.submit(run_alone, place, work="plain", arrays=arrays) for place in places]
        return mean(each.result()["trials"][0]["secs"] for each in running)


def spread(values: Sequence[float]) -> str:
    return f"median {median(values):.2f} [{min(values):.2f}, {max(values):.2f}]"


def best(found: Found) -> float:
    return max((each["score"] or 0 for each in found["trials"]), default=0.0)


def time_of(found: Found, trials: int) -> float:
    """When the first trials, by their number, had all ended; infinite if they have not."""
    first = found["trials"][:trials]
    return max(each["secs"] for each in first) if len(first) == trials else float("inf")


def measured(name: str, shown: int, **asked: Any) -> Found:
    """Runs one search in a folder of its own, and prints a line, of so many trials and of all."""
    with tempfile.TemporaryDirectory() as folder:
        found = run_alone(Path(folder), **asked)
    first = found["trials"][:shown]
    print(
        f"{name:26} {shown} trials in {time_of(found, shown):6.1f} s, their best "
        f"{max((each['score'] or 0 for each in first), default=0):.4f}; in all {len(found['trials'])} in "
        f"{found['secs']:6.1f} s, best {best(found):.4f}; {found['memory'] / 2**20:5.0f} MiB",
        flush=True,
    )
    return found


def run_alone(folder: Path, **asked: Any) -> Found:
    """Runs a function of this file in a process of its own; adds its wall time, and its memory at its largest."""
    began, largest = time.perf_counter(), 0
    command = [sys.executable, "-m", "benchmarks.tuning", "--one", json.dumps(asked)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent), "TF_CPP_MIN_LOG_LEVEL": "3"}
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=environment)
        while process.poll() is None:
            largest = max(largest, _memory(process.pid))
            time.sleep(0.5)
    if process.returncode:
        raise SystemExit((folder / "log.txt").read_text(encoding="utf-8")[-2000:])
    found: Found = json.loads((folder / "found.json").read_text(encoding="utf-8"))
    return found | {"secs": time.perf_counter() - began, "memory": largest}


def search_ours(
    seed: int, trials: int, epochs: int, workers: int, budget_secs: float | None = None, stop_sick: bool = True
) -> Found:
    """`plumbline tune`, as it is."""
    from pipeline.recipe.load import load_recipe
    from tuning.tune import tune

    began = psutil.Process().create_time()
    recipe = {**RECIPE, "seed": seed, "train": {"epochs": epochs, "threads": 1}}
    recipe["tune"] = {**RECIPE["tune"], "trials": trials, "stop_sick": stop_sick}  # type: ignore[dict-item]
    study = tune(load_recipe(recipe), workers=workers, budget_secs=budget_secs).study
    told = {event["trial"]: event["time"] / 1000 - began for event in study.events if event["kind"] == "tell"}
    found = [(trial, trial.result) for trial in study.trials() if trial.result]
    return {
        "trials": [
            {
                "secs": told[trial.number],
                "taken": trial.seconds,
                "score": result.score,
                "epochs": result.epochs,
                "stopped": result.status == "stopped",
                "point": list(trial.job.point.values()),
            }
            for trial, result in found
        ]
    }


def prepare(seed: int) -> Found:
    """Writes the arrays of the training and validation split that a search with this seed prepares."""
    import numpy as np

    from pipeline.execution import run

    tree = {key: value for key, value in RECIPE.items() if key != "tune"}
    prepared = run({**tree, "seed": seed}, until="preprocess").folder("preprocess")
    for split in ("train", "validation"):
        images = (np.load(prepared / split / "image.npy") / 255).astype("float32")
        np.savez(f"{split}.npz", images=images, labels=np.load(prepared / split / "label.npy"))
    return {"trials": []}


def search_stock(seed: int, trials: int, epochs: int, arrays: str) -> Found:
    """Keras Tuner as its guide shows it."""
    import numpy as np

    from benchmarks.tuning_peer import search
    from models.seeds import seed_for

    splits = [np.load(Path(arrays, f"{split}.npz")) for split in ("train", "validation")]
    training, validation = [(split["images"], split["labels"]) for split in splits]
    found = search(training, validation, trials=trials, epochs=epochs, seed=seed_for(seed, "tune") + 1)
    secs = time.time() - psutil.Process().create_time()
    return {"trials": [{**each, "secs": secs, "epochs": epochs, "stopped": False} for each in found]}


def train_plain(arrays: str) -> Found:
    """A training without Keras Tuner and without us, on one thread; its imports and first epoch are not counted."""
    import keras_tuner
    import numpy as np
    import tensorflow as tf

    from benchmarks.tuning_peer import build

    tf.config.threading.set_intra_op_parallelism_threads(1)
    split = np.load(Path(arrays, "train.npz"))
    network = build(keras_tuner.HyperParameters())
    network.fit(split["images"], split["labels"], batch_size=64, verbose=0)
    began = time.perf_counter()
    network.fit(split["images"], split["labels"], batch_size=64, epochs=PLAIN_EPOCHS, verbose=0)
    return {"trials": [{"secs": time.perf_counter() - began}]}


def _memory(pid: int) -> int:
    """Proportional set size of a process with its children, in bytes: shared pages count once."""
    total = 0
    try:
        for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
            total += process.memory_full_info().pss
    except psutil.Error:
        pass
    return total


if __name__ == "__main__":
    main()
