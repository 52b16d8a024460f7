"""What each technique of the recipe does, measured: `python -m benchmarks.techniques`; writes docs/techniques.md.

Each technique is trained on and off over the same seeds, on the same split, and scored on the **validation** split: the
test set stays sealed. Every training is appended to a JSON-lines file as it ends; one that is there is not repeated, so
that a benchmark that was killed goes on, and a new row costs its own trainings only.
"""

import argparse
import functools
import gc
import json
import os
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.catalogue import BASES, FOLDER, TECHNIQUES, Technique, written
from benchmarks.effects import Training, Tree, digest, report
from benchmarks.technique_data import derive

RESULTS = Path(__file__).with_suffix(".jsonl")
REPORT = Path(__file__).parents[1] / "docs/techniques.md"
METRICS = ("accuracy", "f1_macro", "log_loss", "calibration_error")
"""Scores of every training, on the validation split."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="trainings of each side (default: 5)")
    parser.add_argument("--data", nargs="*", choices=BASES, default=[*BASES], help="data sets (default: all)")
    parser.add_argument("--only", nargs="*", default=[""], help="techniques with one of these in their names")
    parser.add_argument("--table", action="store_true", help="train nothing; write the table of what was measured")
    args = parser.parse_args()
    if not args.table:
        os.environ |= {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}
        chosen = [each for each in TECHNIQUES if any(part.lower() in each.name.lower() for part in args.only)]
        run(chosen, args.data, range(args.seeds), RESULTS)
    REPORT.write_text(report(read(RESULTS)), encoding="utf-8")


def run(techniques: list[Technique], bases: list[str], seeds: range, results: Path) -> None:
    """Trains what is not among the results yet, a seed of a technique beside the same seed without it."""
    done = {(training.recipe, training.seed) for training in read(results)}
    for name, tree, seed in jobs(techniques, bases, seeds):
        if (digest(tree), seed) not in done:
            done.add((digest(tree), seed))
            measured = measure(name, tree, seed)
            with results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(measured) + "\n")
            print(name, seed, {k: measured[k] for k in ("scores", "secs", "error") if k in measured}, flush=True)


def jobs(techniques: list[Technique], bases: list[str], seeds: range) -> Iterator[tuple[str, Tree, int]]:
    """Trainings in order: data set by data set, technique by technique, seed by seed, first off, then on."""
    for name in bases:
        for technique in (each for each in techniques if name in each.bases):
            for seed in seeds:
                yield name, written(BASES[name], technique.both), seed
                yield name, written(BASES[name], technique.both, technique.on), seed


def read(path: Path) -> list[Training]:
    """Reads the trainings that have ended; each was written by one call, so that a kill leaves it whole or out."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [Training(**json.loads(line)) for line in lines]


def measure(name: str, tree: Tree, seed: int) -> dict[str, Any]:
    """Trains once through the pipeline's own stage and scores the validation split.

    Args:
        name: Of the data set.
        tree: The recipe, without `name` and `seed`.
        seed: The recipe's seed.

    Returns:
        The fields of `Training`.
    """
    import keras

    from pipeline.environment import environment
    from pipeline.training.callbacks import NonFiniteLossError

    facts = environment()
    training: dict[str, Any] = {
        "recipe": digest(tree),
        "seed": seed,
        "day": datetime.now(UTC).date().isoformat(),
        "machine": f"{facts['hardware.cpu']}, Keras {facts['library.keras']}, TensorFlow {facts['library.tensorflow']}",
    }
    Path(FOLDER).mkdir(parents=True, exist_ok=True)
    derive(name, Path(FOLDER))
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        try:
            training |= _train({**tree, "name": f"techniques-{name}", "seed": seed}, Path(folder))
        except NonFiniteLossError as error:
            training["error"] = str(error).split(". ")[0]
    keras.backend.clear_session()
    gc.collect()
    return training


def _train(tree: Tree, out: Path) -> dict[str, Any]:
    from pipeline.journal import Journal
    from pipeline.recipe.load import load_recipe
    from pipeline.stages import STAGES, Work

    recipe = load_recipe(tree)
    prepared = _prepared(json.dumps({key: tree[key] for key in ("name", "data", "preprocess") if key in tree}))
    clock: list[float] = []

    def listen(record: dict[str, Any]) -> None:
        if record["kind"] == "metrics" and "loss" in record["values"]:
            clock.append(time.process_time())

    stage = next(stage for stage in STAGES if stage.name == "train")
    journal = Journal(out / "journal.jsonl", (listen,))
    stage.call(Work(recipe, {"preprocess": prepared}, out, journal, run=None))
    num_epochs = len(clock)
    return {
        "scores": _scores(prepared, out),
        "secs": (clock[-1] - clock[0]) / (num_epochs - 1) * num_epochs,
        "num_epochs": num_epochs,
    }


@functools.cache
def _prepared(sections: str) -> Path:
    """Collects and preprocesses through the pipeline's cache; the folder that preprocess wrote."""
    from pipeline import run as run_pipeline

    tracking = {"directory": FOLDER, "uri": f"sqlite:///{FOLDER}/mlflow.db", "system_metrics": False}
    tree = {"model": {"type": "mlp"}, **json.loads(sections), "tracking": tracking}
    return run_pipeline(tree, until="preprocess").folder("preprocess")


def _scores(prepared: Path, trained: Path) -> dict[str, float]:
    from pipeline.batches import read_prepared
    from pipeline.metrics import Predicted, compute
    from pipeline.serving.compose import load_model
    from pipeline.serving.signature import Signature

    inputs, labels = read_prepared(prepared / "validation")
    outputs = load_model(trained / "network.keras").predict(inputs, batch_size=256, verbose=0)
    task = Signature.load(prepared / "signature.json").task
    return compute(METRICS, Predicted(task, labels, outputs))


if __name__ == "__main__":
    main()
