"""Metrics: values worked out by hand, and every name of the recipe."""

import math

import numpy as np
import pytest

from pipeline.metrics import METRICS, Predicted, calibration, compute
from pipeline.recipe import evaluate
from pipeline.recipe.evaluate import improvement

BINARY = Predicted("binary", np.array([0, 0, 1, 1]), np.array([[0.1], [0.6], [0.4], [0.8]], np.float32))
MULTICLASS = Predicted(
    "multiclass",
    np.array([0, 1, 2, 2]),
    np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.5, 0.1, 0.4], [0.2, 0.2, 0.6]], np.float32),
)
MULTILABEL = Predicted("multilabel", np.array([[1, 0], [1, 1]]), np.array([[0.9, 0.2], [0.4, 0.7]], np.float32))
REGRESSION = Predicted("regression", np.array([1.0, 2.0, 4.0]), np.array([[1.0], [3.0], [2.0]], np.float32))


def test_the_table_has_every_metric_that_a_recipe_can_name() -> None:
    assert set(METRICS) == set(evaluate.METRICS)


@pytest.mark.parametrize("of", [BINARY, MULTICLASS, MULTILABEL, REGRESSION], ids=lambda of: of.task)
def test_each_task_has_all_its_metrics(of: Predicted) -> None:
    names = [name for name, tasks in evaluate.METRICS.items() if of.task in tasks]
    assert all(math.isfinite(value) for value in compute(names, of).values())


@pytest.mark.parametrize(
    ("of", "name", "value"),
    [
        (BINARY, "accuracy", 0.5),
        (BINARY, "roc_auc", 0.75),
        (BINARY, "brier", (0.01 + 0.36 + 0.36 + 0.04) / 4),
        (BINARY, "log_loss", -np.log([0.9, 0.4, 0.4, 0.8]).mean()),
        (MULTICLASS, "accuracy", 0.75),
        (MULTICLASS, "balanced_accuracy", (1 + 1 + 0.5) / 3),
        (MULTICLASS, "top_k_accuracy", 1.0),
        (MULTICLASS, "precision_macro", (0.5 + 1 + 1) / 3),
        (MULTICLASS, "recall_macro", (1 + 1 + 0.5) / 3),
        (MULTICLASS, "f1_macro", (2 / 3 + 1 + 2 / 3) / 3),
        (MULTICLASS, "brier", (0.26 + 0.38 + 0.62 + 0.24) / 4),
        (MULTILABEL, "accuracy", 0.75),
        (MULTILABEL, "log_loss", -np.log([0.9, 0.8, 0.4, 0.7]).mean()),
        (REGRESSION, "mae", 1.0),
        (REGRESSION, "rmse", math.sqrt(5 / 3)),
    ],
)
def test_a_metric_has_the_value_worked_out_by_hand(of: Predicted, name: str, value: float) -> None:
    assert METRICS[name](of) == pytest.approx(value, rel=1e-6)


def test_a_class_that_is_missing_from_the_examples_does_not_spoil_the_areas() -> None:
    of = Predicted("multiclass", np.array([0, 1, 1]), MULTICLASS.outputs[:3])
    assert METRICS["roc_auc"](of) == pytest.approx((1 + 0.5) / 2)


def test_areas_are_undefined_with_one_class_only() -> None:
    assert math.isnan(METRICS["roc_auc"](Predicted("binary", np.zeros(4), BINARY.outputs)))


def test_calibration_compares_confidence_with_accuracy_in_each_bin() -> None:
    outputs = np.array([[0.95], [0.95], [0.65], [0.65]], np.float32)
    found = calibration(Predicted("binary", np.array([1, 1, 1, 0]), outputs))
    assert found.confidence == pytest.approx([0.65, 0.95])
    assert found.accuracy == pytest.approx([0.5, 1.0])
    assert found.error == pytest.approx((0.15 + 0.05) / 2)


def test_improvement_knows_which_way_is_better() -> None:
    assert improvement("accuracy", 0.5, 0.7) == pytest.approx(0.2)
    assert improvement("rmse", 0.5, 0.7) == pytest.approx(-0.2)
