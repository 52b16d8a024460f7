"""Evaluation: raw examples through the whole road, measured, stored and drawn."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pipeline.errors import UserError
from pipeline.evaluate import evaluate
from pipeline.journal import Journal, read_journal
from pipeline.manifest import LABEL
from pipeline.metrics import Predicted
from pipeline.recipe.evaluate import DEFAULTS, EvaluateConfig
from pipeline.report import per_class, worst_mistakes
from pipeline.serving.compose import load_model
from tests.small_runs import SIZES, Stages

CLASSES = ("per_class.csv", "per_class.png", "roc_pr.png")
CLASSES_ALONE = ("confusion.png", "calibration.png")
SLICES = ("slice_metrics.csv", "slices.csv", "slices.png")


def metrics_of(stages: Stages) -> dict[str, dict[str, float]]:
    tree: dict[str, dict[str, float]] = json.loads((stages.evaluated / "metrics.json").read_text())
    return tree


def predictions_of(stages: Stages) -> pd.DataFrame:
    return pd.read_parquet(stages.evaluated / "artifacts" / "predictions.parquet")


def recorded(stages: Stages) -> dict[str, float]:
    values: dict[str, float] = {}
    for record in read_journal(stages.evaluated / "journal.jsonl"):
        values |= record["values"] if record["kind"] == "metrics" else {}
    return values


def labels_of(stages: Stages) -> list[object]:
    with pa.memory_map(str(stages.examples / "sealed" / "test.arrow")) as file:
        labels: list[object] = pa.ipc.open_file(file).read_all().column(LABEL).to_pylist()
    return labels


def test_predictions_say_the_same_as_the_metrics(digits: Stages) -> None:
    frame = predictions_of(digits)
    groups = ["group: class", "group: brightness"]
    assert list(frame) == ["id", "label", "prediction", *(f"probability_{k}" for k in range(10)), *groups]
    assert len(frame) == SIZES["test"]
    assert frame["label"].tolist() == labels_of(digits)
    assert (frame["label"] == frame["prediction"]).mean() == metrics_of(digits)["test"]["accuracy"] > 0.5
    probabilities = frame.filter(like="probability").to_numpy()
    assert probabilities.argmax(axis=1).tolist() == frame["prediction"].tolist()


def test_validation_is_scored_as_training_scored_its_best_epoch(digits: Stages) -> None:
    history = json.loads((digits.trained / "history.json").read_text())
    best = history["epochs"][history["best_epoch"]]
    assert metrics_of(digits)["validation"]["accuracy"] == pytest.approx(best["val_accuracy"])
    assert metrics_of(digits)["validation"]["log_loss"] == pytest.approx(best["val_loss"], rel=1e-4)


def test_metrics_and_the_gap_are_recorded(digits: Stages) -> None:
    values, scores = recorded(digits), metrics_of(digits)
    assert values["test/accuracy"] == scores["test"]["accuracy"]
    assert values["gap/accuracy"] == scores["train"]["accuracy"] - scores["test"]["accuracy"]
    assert values["gap/log_loss"] == scores["test"]["log_loss"] - scores["train"]["log_loss"]


def test_every_test_metric_is_recorded_with_its_interval(digits: Stages) -> None:
    values = recorded(digits)
    for name in DEFAULTS["multiclass"]:
        assert values[f"test/{name}_low"] < values[f"test/{name}"] < values[f"test/{name}_high"]


def test_calibration_is_recorded_without_and_with_the_temperature_of_validation(digits: Stages) -> None:
    values = recorded(digits)
    assert values["calibration/temperature"] > 0
    assert values["calibration/error_low"] <= values["calibration/error"] <= values["calibration/error_high"]
    assert "calibration/scaled_error" in values


@pytest.mark.slow
def test_scaling_changes_the_probabilities_that_are_measured_and_not_the_predictions(
    digits: Stages, tmp_path: Path
) -> None:
    section = EvaluateConfig(temperature_scaling=True, robustness=True)
    folders = {"sealed": digits.examples / "sealed", "prepared": digits.prepared, "trained": digits.trained}
    evaluate(section, **folders, out=tmp_path, journal=Journal(tmp_path / "journal.jsonl"))
    scaled = Stages(digits.examples, digits.prepared, digits.trained, tmp_path)
    before, after = predictions_of(digits), predictions_of(scaled)
    assert before["prediction"].tolist() == after["prediction"].tolist()
    temperature = recorded(scaled)["calibration/temperature"]
    assert temperature == pytest.approx(recorded(digits)["calibration/temperature"])
    powers = before.filter(like="probability_").to_numpy() ** (1 / temperature)
    np.testing.assert_allclose(after.filter(like="probability_"), powers / powers.sum(axis=1, keepdims=True), atol=1e-5)
    assert recorded(scaled)["calibration/error"] == pytest.approx(recorded(digits)["calibration/error"], abs=1e-4)
    assert load_model(tmp_path / "calibrated.keras").layers[-1].temperature == temperature
    table = pd.read_csv(tmp_path / "artifacts" / "robustness.csv")
    assert set(table.loc[table["level"] == 0, "score"]) == {metrics_of(digits)["test"]["accuracy"]}
    assert recorded(scaled)["robustness/noise"] < metrics_of(digits)["test"]["accuracy"]


def test_scaling_is_for_classes(diabetes: Stages, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"evaluate.temperature_scaling: expected false for a regression task"):
        evaluate(
            EvaluateConfig(temperature_scaling=True),
            sealed=diabetes.examples / "sealed",
            prepared=diabetes.prepared,
            trained=diabetes.trained,
            out=tmp_path,
            journal=Journal(tmp_path / "journal.jsonl"),
        )


def test_groups_are_of_columns_of_ranges_and_of_labels(cells: Stages, diabetes: Stages, topics: Stages) -> None:
    table = pd.read_csv(cells.evaluated / "artifacts" / "slices.csv")
    assert {"class", "mean radius", "size", "worry"} <= set(table["slice"])
    assert set(table.loc[table["slice"] == "size", "value"]) == {"large", "small"}
    values = pd.read_csv(diabetes.evaluated / "artifacts" / "slices.csv")
    assert set(values["metric"]) == {"mae"}
    assert values.loc[values["slice"] == "value", "examples"].sum() == SIZES["test"]
    labels = pd.read_csv(topics.evaluated / "artifacts" / "slices.csv").set_index(["slice", "value"])["examples"]
    assert labels["label odd"].to_dict() == {"yes": SIZES["test"] // 2, "no": SIZES["test"] // 2}


@pytest.mark.parametrize(
    ("run", "files"),
    [
        ("digits", {*CLASSES, *CLASSES_ALONE, *SLICES, "errors.png", "errors.json"}),
        ("cells", {*CLASSES, *CLASSES_ALONE, *SLICES, "errors.csv"}),
        ("diabetes", {"residuals.png", *SLICES, "errors.csv"}),
        ("topics", {*CLASSES, *SLICES}),
    ],
)
def test_each_task_gets_what_explains_it(run: str, files: set[str], request: pytest.FixtureRequest) -> None:
    stages: Stages = request.getfixturevalue(run)
    assert {path.name for path in (stages.evaluated / "artifacts").iterdir()} == files | {"predictions.parquet"}


def test_a_binary_task_stores_both_probabilities(cells: Stages) -> None:
    frame = predictions_of(cells)
    assert (frame["probability_0"] + frame["probability_1"]).to_numpy() == pytest.approx(1)
    assert ((frame["probability_1"] > 0.5) == frame["prediction"]).all()


def test_labels_and_predictions_of_several_labels_are_lists(topics: Stages) -> None:
    frame = predictions_of(topics)
    assert [list(label) for label in frame["label"]] == labels_of(topics)
    assert metrics_of(topics)["test"]["accuracy"] == 1.0


def test_the_check_is_the_first_batch_with_what_the_network_said(digits: Stages) -> None:
    outputs = np.load(digits.evaluated / "check_outputs.npy")
    stored = predictions_of(digits).filter(like="probability").to_numpy()
    assert outputs.tobytes() == stored[: len(outputs)].tobytes()


def test_a_metric_that_the_task_lacks_is_refused(digits: Stages, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"evaluate.metrics.1: expected one of accuracy.*multiclass.*'rmse'"):
        evaluate(
            EvaluateConfig(metrics=("accuracy", "rmse")),
            sealed=digits.examples / "sealed",
            prepared=digits.prepared,
            trained=digits.trained,
            out=tmp_path,
            journal=Journal(tmp_path / "journal.jsonl"),
        )


def test_the_worst_mistake_is_the_wrong_answer_given_with_most_confidence() -> None:
    outputs = np.array([[0.9, 0.1], [0.3, 0.7], [0.05, 0.95]])
    found = worst_mistakes(Predicted("multiclass", np.array([0, 0, 0]), outputs), ["cat", "dog"])
    assert [mistake.row for mistake in found] == [2, 1]
    assert (found[0].label, found[0].prediction) == ("cat", "dog")


def test_the_farthest_value_is_the_worst() -> None:
    found = worst_mistakes(Predicted("regression", np.array([1.0, 2.0]), np.array([[1.5], [0.0]])), [])
    assert [mistake.row for mistake in found] == [1, 0]
    assert found[0].size == 2.0


def test_a_class_table_counts_its_examples() -> None:
    outputs = np.array([[0.9, 0.1], [0.3, 0.7], [0.05, 0.95]])
    table = per_class(Predicted("multiclass", np.array([0, 0, 1]), outputs), ["cat", "dog"])
    assert table["examples"].tolist() == [2, 1]
    assert table["recall"].tolist() == [0.5, 1.0]
