"""Our search beside stock Keras Tuner's `search()`, same oracle and space: `python -m benchmarks.tuning [--seeds 5]`.

Both search for a digits network by Hyperband, from the same prepared arrays, in a fresh process and folder each, one
after the other. Time is wall time from the start of the process to the end of the search, imports included; memory is
the largest proportional set size of the process with all its children.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import psutil

EPOCHS, FACTOR = 9, 3
SPACE = {
    "train.optimizer.learning_rate": {"type": "float", "low": 1e-4, "high": 1e-1, "log": True},
    "model.filters": {"type": "choice", "values": [[8], [16], [32]]},
    "model.dropout": {"type": "float", "low": 0.0, "high": 0.6},
}
RECIPE = {
    "name": "digits",
    "data": {"type": "digits", "batch_size": 64},
    "preprocess": {"normalize": "unit"},
    "model": {"type": "cnn", "filters": [16], "units": 32},
    "train": {"epochs": EPOCHS},
    "tracking": {"system_metrics": False},
    "tune": {
        "algorithm": "hyperband",
        "objective": "val_accuracy",
        "factor": FACTOR,
        "finalists": 0,
        "space": SPACE,
    },
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seeds", type=int, default=5)
    arguments.add_argument("--workers", type=int, default=2)
    arguments.add_argument("--one", choices=["stock", "ours"], help=argparse.SUPPRESS)
    arguments.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.one:
        search = {"stock": search_stock, "ours": search_ours}[given.one]
        Path("found.json").write_text(json.dumps(search(given.seed, given.workers)), encoding="utf-8")
        return
    rows = []
    for seed in range(given.seeds):
        stock, ours = (measured(name, seed, given.workers) for name in ("stock", "ours"))
        reached = next((secs for secs, best in ours["path"] if best >= stock["best"]), None)
        rows.append({"seed": seed, "stock": stock, "ours": ours, "reached_secs": reached})
        print(row(rows[-1]), flush=True)
    shares = [each["ours"]["secs"] / each["stock"]["secs"] for each in rows]
    reached = [each["reached_secs"] / each["stock"]["secs"] for each in rows if each["reached_secs"]]
    print(f"wall time, ours / stock: median {median(shares):.2f} [{min(shares):.2f}, {max(shares):.2f}]")
    print(f"time to stock's best / stock's time: {len(reached)} of {len(rows)} seeds reach it", end="")
    print(f", median {median(reached):.2f} [{min(reached):.2f}, {max(reached):.2f}]" if reached else "")


def row(found: dict[str, Any]) -> str:
    """One line a seed."""
    parts = [
        f"{name} {found[name]['secs']:6.1f} s  best {found[name]['best']:.4f}  {found[name]['memory'] / 2**20:5.0f} MiB"
        for name in ("stock", "ours")
    ]
    reached = found["reached_secs"]
    return f"seed {found['seed']}   {'   '.join(parts)}   reached: {'never' if reached is None else f'{reached:.1f} s'}"


def measured(name: str, seed: int, workers: int) -> dict[str, Any]:
    """Runs one search in a process and a folder of its own, and watches its memory."""
    root = Path(__file__).parent.parent
    with tempfile.TemporaryDirectory() as folder:
        began, largest = time.perf_counter(), 0
        command = ["-m", "benchmarks.tuning", "--one", name, "--seed", str(seed), "--workers", str(workers)]
        with (Path(folder) / "log.txt").open("wb") as log:
            environment = {**os.environ, "PYTHONPATH": str(root), "TF_CPP_MIN_LOG_LEVEL": "3"}
            process = subprocess.Popen([sys.executable, *command], cwd=folder, stdout=log, stderr=log, env=environment)
            while process.poll() is None:
                largest = max(largest, _memory(process.pid))
                time.sleep(0.5)
        if process.returncode:
            raise SystemExit((Path(folder) / "log.txt").read_text(encoding="utf-8")[-2000:])
        found = json.loads((Path(folder) / "found.json").read_text(encoding="utf-8"))
        return {**found, "secs": time.perf_counter() - began, "memory": largest}


def search_ours(seed: int, workers: int) -> dict[str, Any]:
    """`plumbline tune`, as it is."""
    from pipeline.recipe.load import load_recipe
    from tuning.tune import tune

    began = psutil.Process().create_time()
    study = tune(load_recipe({**RECIPE, "seed": seed}), workers=workers).study
    path, best = [], 0.0
    for event in study.events:
        if event["kind"] == "tell" and event["result"]["score"] is not None:
            best = max(best, event["result"]["score"])
            path.append((event["time"] / 1000 - began, best))
    return {"best": best, "trials": len(study.trials()), "path": path}


def search_stock(seed: int, _: int) -> dict[str, Any]:
    """Keras Tuner as its guide shows it: one process, `tuner.search(x, y, validation_data=...)`."""
    import keras
    import keras_tuner
    import numpy as np

    from pipeline.execution import run
    from pipeline.recipe.load import load_recipe

    recipe = load_recipe({**RECIPE, "seed": seed, "tune": None})
    prepared = run(recipe, until="preprocess").folder("preprocess")
    data = {
        split: (np.load(prepared / split / "image.npy") / 255.0, np.load(prepared / split / "label.npy"))
        for split in ("train", "validation")
    }

    def build(hp: Any) -> Any:
        network = keras.Sequential(
            [
                keras.Input((8, 8, 1)),
                keras.layers.Conv2D(hp.Choice("filters", [8, 16, 32]), 3, padding="same", activation="relu"),
                keras.layers.MaxPooling2D(),
                keras.layers.Flatten(),
                keras.layers.Dense(32, activation="relu"),
                keras.layers.Dropout(hp.Float("dropout", 0.0, 0.6)),
                keras.layers.Dense(10, activation="softmax"),
            ]
        )
        rate = hp.Float("learning_rate", 1e-4, 1e-1, sampling="log")
        network.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
        return network

    tuner = keras_tuner.Hyperband(
        build, "val_accuracy", max_epochs=EPOCHS, factor=FACTOR, seed=seed + 1, directory="stock", project_name="digits"
    )
    images, labels = data["train"]
    tuner.search(images, labels, batch_size=64, validation_data=data["validation"], verbose=0)
    trials = tuner.oracle.trials
    return {"best": max(trial.score for trial in trials.values() if trial.score is not None), "trials": len(trials)}


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
