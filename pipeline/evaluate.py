"""Scores the trained network once on the sealed test set, fed with raw examples as a client would send them."""

import hashlib
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.batches import read_prepared
from pipeline.journal import Journal, StageResult
from pipeline.manifest import ID, LABEL
from pipeline.metrics import Predicted, compute
from pipeline.recipe.evaluate import EvaluateConfig, improvement, resolve
from pipeline.report import write_report
from pipeline.serving.answers import probabilities
from pipeline.serving.compose import compose, load_model
from pipeline.serving.outputs import BATCH_SIZE, predictor
from pipeline.serving.raw import raw_tensors
from pipeline.serving.signature import Signature


def evaluate(
    section: EvaluateConfig, *, sealed: Path, prepared: Path, trained: Path, out: Path, journal: Journal
) -> StageResult:
    """Measures the network on test, validation and train, and draws what explains the figures.

    Writes `metrics.json`, `artifacts/` (predictions of each test example, figures, tables), and for register
    `check.arrow` (raw test examples, one batch) with `check_outputs.npy` (what the network said of them).

    Args:
        section: Metrics to compute.
        sealed: Folder of `test.arrow`.
        prepared: Folder that preprocess wrote.
        trained: Folder that train wrote.
        out: Folder to write into.
        journal: Gets `test/*`, `validation/*`, `train/*` and `gap/*`: how much better train is than test.

    Raises:
        UserError: If the task lacks a metric.
    """
    signature = Signature.load(prepared / "signature.json")
    section = resolve(section, signature.task)
    names = section.metrics or ()
    network = load_model(trained / "network.keras")

    examples = _read_examples(sealed / "test.arrow")
    outputs = _outputs_of_raw(examples, signature, compose(load_model(prepared / "prepare.keras"), network))
    test = Predicted(signature.task, _labels(examples), outputs)
    predict = predictor(network)
    scores = {"test": compute(names, test)}
    for split in ("validation", "train"):
        arrays, labels = read_prepared(prepared / split)
        scores[split] = compute(names, Predicted(signature.task, labels, predict(arrays)))

    gap = {name: improvement(name, scores["test"][name], scores["train"][name]) for name in names}
    _record(scores, gap, journal)
    _write_metrics(out / "metrics.json", scores, gap, examples)
    _write_check(out, examples, outputs)
    artifacts = out / "artifacts"
    artifacts.mkdir()
    _write_predictions(artifacts / "predictions.parquet", examples, test)
    write_report(artifacts, test, examples, signature, errors_shown=section.errors_shown)
    for path in sorted(artifacts.iterdir()):
        journal.log_artifact(path)
    shown = ", ".join(f"{name} {value:.4f}" for name, value in scores["test"].items())
    return StageResult(_fingerprint(scores, outputs), f"{examples.num_rows} test examples: {shown}")


def _read_examples(path: Path) -> pa.Table:
    """The test examples, memory-mapped."""
    with pa.memory_map(str(path)) as file:
        return pa.ipc.open_file(file).read_all()


def _labels(examples: pa.Table) -> np.ndarray:
    column = examples.column(LABEL)
    return np.stack(column.to_numpy()) if pa.types.is_list(column.type) else column.to_numpy()


def _outputs_of_raw(examples: pa.Table, signature: Signature, model: object) -> np.ndarray:
    """What the whole road from raw example to output says, one batch of raw examples in memory at a time."""
    predict = predictor(model)
    batches = [
        predict(raw_tensors(examples.slice(first, BATCH_SIZE), signature))
        for first in range(0, examples.num_rows, BATCH_SIZE)
    ]
    return np.concatenate(batches)


def _record(scores: dict[str, dict[str, float]], gap: dict[str, float], journal: Journal) -> None:
    values = {f"{split}/{name}": value for split, of in scores.items() for name, value in of.items()}
    values |= {f"gap/{name}": value for name, value in gap.items()}
    undefined = [name for name, value in values.items() if not math.isfinite(value)]
    if undefined:
        journal.say(f"undefined on these examples (a split with one class?): {', '.join(undefined)}")
    journal.log_metrics({name: value for name, value in values.items() if name not in undefined})


def _write_metrics(path: Path, scores: dict[str, dict[str, float]], gap: dict[str, float], examples: pa.Table) -> None:
    tree = {**scores, "gap": gap, "test_examples": examples.num_rows, "test_fingerprint": _examples_hash(examples)}
    path.write_text(json.dumps(tree, indent=2) + "\n", encoding="utf-8")


def _examples_hash(examples: pa.Table) -> str:
    """Names the set of test examples with their labels: two models are comparable only on the same one."""
    lines = sorted(
        f"{id_}\t{label}" for id_, label in zip(*examples.select([ID, LABEL]).to_pydict().values(), strict=True)
    )
    return hashlib.blake2b("\n".join(lines).encode(), digest_size=16).hexdigest()


def _write_check(out: Path, examples: pa.Table, outputs: np.ndarray) -> None:
    """Keeps the first batch for register: the same batch size gives the same bits."""
    check = examples.slice(0, BATCH_SIZE)
    with pa.ipc.new_file(str(out / "check.arrow"), check.schema) as file:
        file.write_table(check)
    np.save(out / "check_outputs.npy", outputs[:BATCH_SIZE])


def _write_predictions(path: Path, examples: pa.Table, test: Predicted) -> None:
    frame = pd.DataFrame(
        {"id": examples.column(ID).to_pylist(), "label": list(test.labels), "prediction": list(test.predictions)}
    )
    if test.task != "regression":
        columns = probabilities(test.outputs, test.task)
        frame = frame.assign(**{f"probability_{k}": columns[:, k] for k in range(columns.shape[1])})
    frame.to_parquet(path, index=False)


def _fingerprint(scores: dict[str, dict[str, float]], outputs: np.ndarray) -> str:
    digest = hashlib.blake2b(json.dumps(scores).encode(), digest_size=16)
    digest.update(outputs.tobytes())
    return digest.hexdigest()
