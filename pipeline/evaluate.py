"""Scores the trained network once on the sealed test set, fed with raw examples as a client would send them."""

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.batches import read_prepared
from pipeline.calibration import Scaling, report_calibration
from pipeline.comparison.groups import group_examples
from pipeline.comparison.intervals import Estimate, estimates
from pipeline.comparison.predictions import FILE, TestPredictions
from pipeline.comparison.resampling import SEED
from pipeline.comparison.slices import draw_slices, estimate_slices, in_words, score_slices
from pipeline.comparison.temperature import at_temperature, fit_temperature
from pipeline.journal import Journal, StageResult
from pipeline.looks import Looks, num_models, warning
from pipeline.manifest import ID, LABEL
from pipeline.metrics import Predicted, compute
from pipeline.recipe.evaluate import CLASSES, EvaluateConfig, improvement, resolve
from pipeline.report import write_report
from pipeline.results import HIGH, LOW
from pipeline.robustness import MAX_EXAMPLES, measure_robustness, report_robustness
from pipeline.sealed import read_sealed
from pipeline.serving.compose import compose, load_model
from pipeline.serving.outputs import BATCH_SIZE, predictor
from pipeline.serving.raw import raw_tensors
from pipeline.serving.scaling import with_temperature
from pipeline.serving.signature import Signature


def evaluate(
    section: EvaluateConfig,
    *,
    sealed: Path,
    prepared: Path,
    trained: Path,
    out: Path,
    journal: Journal,
    looks: Looks | None = None,
) -> StageResult:
    """Measures the network on test, validation and train, and draws what explains the figures.

    Writes `metrics.json`, `artifacts/` (predictions of each test example, figures, tables), and for register
    `check.arrow` (raw test examples, one batch) with `check_outputs.npy` (what the network said of them), and
    `calibrated.keras` where the recipe asks for temperature scaling.

    Args:
        section: Metrics to compute.
        sealed: Folder of `test.arrow`.
        prepared: Folder that preprocess wrote.
        trained: Folder that train wrote.
        out: Folder to write into.
        journal: Gets `test/*` (each metric with its 95 % interval, as `test/accuracy`, `test/accuracy_low` and
            `test/accuracy_high`), `validation/*`, `train/*`, `gap/*`: how much better train is than test, and
            `calibration/*`: the temperature, and the test split's calibration error without and with it.
        looks: Where this look at the test examples is recorded; None: nowhere.

    Raises:
        UserError: If the task lacks a metric.
    """
    signature = Signature.load(prepared / "signature.json")
    section = resolve(section, signature.task)
    names = section.metrics or ()
    network = load_model(trained / "network.keras")
    answered = {split: _answers(prepared / split, signature, network) for split in ("validation", "train")}
    temperature = fit_temperature(answered["validation"]) if signature.task in CLASSES else None
    if section.temperature_scaling and temperature:
        network = with_temperature(network, temperature)
        network.save(out / "calibrated.keras")
        answered = {split: at_temperature(of, temperature) for split, of in answered.items()}

    examples = read_sealed(sealed)
    outputs = _outputs_of_raw(examples, signature, compose(load_model(prepared / "prepare.keras"), network))
    test = TestPredictions(
        tuple(examples.column(ID).to_pylist()),
        Predicted(signature.task, _labels(examples), outputs),
        signature.classes,
        names,
        group_examples(examples, signature),
    )
    ordered = test.ordered().predicted  # as a comparison has them: the same intervals there
    found = estimates(names, ordered, seed=SEED)
    scores = {split: compute(names, of) for split, of in answered.items()}
    scores = {"test": {name: estimate.value for name, estimate in found.items()}, **scores}
    gap = {name: improvement(name, scores["test"][name], scores["train"][name]) for name in names}
    intervals = {name: [each.low, each.high] for name, each in found.items() if math.isfinite(each.low)}
    if looks:  # before anything of what was seen leaves this function
        _count_look(looks, test, found[names[0]], journal)
    _record(scores, gap, intervals, journal)
    _write_metrics(out / "metrics.json", scores, gap, intervals, test)
    _write_check(out, examples, outputs)

    artifacts = out / "artifacts"
    artifacts.mkdir()
    test.write(artifacts / FILE)
    write_report(artifacts, test.predicted, examples, signature, errors_shown=section.errors_shown)
    _write_slices(artifacts, test, journal)
    if temperature:
        exported = section.temperature_scaling
        without = at_temperature(ordered, 1 / temperature) if exported else ordered
        report_calibration(Scaling(temperature, without, exported), artifacts, journal)
    if section.robustness:
        whole = predictor(compose(load_model(prepared / "prepare.keras"), network))
        table = _robustness(names[0], examples.slice(0, MAX_EXAMPLES), signature, whole)
        report_robustness(table, names[0], artifacts, journal)
    for path in sorted(artifacts.iterdir()):
        journal.log_artifact(path)
    shown = ", ".join(f"{name} {estimate}" for name, estimate in found.items())
    return StageResult(_fingerprint(scores, outputs), f"{examples.num_rows} test examples: {shown}")


def _robustness(
    metric: str, examples: pa.Table, signature: Signature, predict: Callable[[Mapping[str, np.ndarray]], np.ndarray]
) -> pd.DataFrame:
    """Scores the whole road from raw example to output on corrupted examples."""
    labels = _labels(examples)
    return measure_robustness(
        metric,
        signature.kind,
        raw_tensors(examples, signature),
        lambda tensors: Predicted(signature.task, labels, predict(tensors)),
    )


def _answers(split: Path, signature: Signature, network: object) -> Predicted:
    """What the network says of a prepared split."""
    arrays, labels = read_prepared(split)
    return Predicted(signature.task, labels, predictor(network)(arrays))


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


def _record(
    scores: dict[str, dict[str, float]], gap: dict[str, float], intervals: dict[str, list[float]], journal: Journal
) -> None:
    values = {f"{split}/{name}": value for split, of in scores.items() for name, value in of.items()}
    values |= {f"gap/{name}": value for name, value in gap.items()}
    undefined = [name for name, value in values.items() if not math.isfinite(value)]
    if undefined:
        journal.say(f"undefined on these examples (a split with one class?): {', '.join(undefined)}")
    for name, (low, high) in intervals.items():
        values |= {f"test/{name}{LOW}": low, f"test/{name}{HIGH}": high}
    journal.log_metrics({name: value for name, value in values.items() if name not in undefined})


def _write_metrics(
    path: Path,
    scores: dict[str, dict[str, float]],
    gap: dict[str, float],
    intervals: dict[str, list[float]],
    test: TestPredictions,
) -> None:
    facts = {"test_examples": len(test.ids), "test_fingerprint": test.fingerprint}
    tree = {**scores, "gap": gap, "test_intervals": intervals, **facts}
    path.write_text(json.dumps(tree, indent=2) + "\n", encoding="utf-8")


def _count_look(looks: Looks, test: TestPredictions, found: Estimate, journal: Journal) -> None:
    """Records that the sealed examples were looked at, and says so once many models were measured on them."""
    answers = hashlib.blake2b(test.predicted.outputs.tobytes(), digest_size=16).hexdigest()
    so_far = looks.record(test.fingerprint, answers)
    journal.log_metrics({"looks/models": num_models(so_far)})
    if said := warning(so_far, test.metrics[0], found.standard_error):
        journal.say(said)


def _write_slices(path: Path, test: TestPredictions, journal: Journal) -> None:
    """Tabulates and draws the groups of examples, and names those that the network is worse on."""
    table = score_slices(test)
    if table.empty:
        return
    table.to_csv(path / "slices.csv", index=False)
    estimate_slices(test, seed=SEED).to_csv(path / "slice_metrics.csv", index=False)
    draw_slices(table, path / "slices.png")
    worse = table[table["worse"]]
    if len(worse):
        journal.say(f"worse than on the rest (corrected for {len(table)} groups): {in_words(worse)}")


def _write_check(out: Path, examples: pa.Table, outputs: np.ndarray) -> None:
    """Keeps the first batch for register: the same batch size gives the same bits."""
    check = examples.slice(0, BATCH_SIZE)
    with pa.ipc.new_file(str(out / "check.arrow"), check.schema) as file:
        file.write_table(check)
    np.save(out / "check_outputs.npy", outputs[:BATCH_SIZE])


def _fingerprint(scores: dict[str, dict[str, float]], outputs: np.ndarray) -> str:
    digest = hashlib.blake2b(json.dumps(scores).encode(), digest_size=16)
    digest.update(outputs.tobytes())
    return digest.hexdigest()
