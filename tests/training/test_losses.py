"""Losses, training metrics and class weights: values worked out by hand, and what training does with them."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from pipeline.batches import read_prepared
from pipeline.errors import UserError
from pipeline.recipe.objective import KERAS_METRICS, LOSSES
from pipeline.recipe.train import direction, resolve
from pipeline.serving.compose import load_model
from pipeline.serving.outputs import predictor
from pipeline.training.losses import class_weights, loss, metrics
from tests.small_runs import Stages, model, train_section, train_small

CLASSES, PROBABILITIES = np.array([2, 0]), np.array([[0.2, 0.3, 0.5], [0.7, 0.2, 0.1]], np.float32)
RIGHT = np.array([0.5, 0.7])
LABELS, CHANCES = np.array([1, 0]), np.array([[0.8], [0.4]], np.float32)
PLAIN = model(type="mlp", units=[16])


def value(task: str, labels: np.ndarray, outputs: np.ndarray, *, mixed: bool = False, **section: Any) -> float:
    """The loss of two examples."""
    built = loss(resolve(train_section(**section), task), mixed=mixed)
    return float(built(keras.ops.convert_to_tensor(labels), keras.ops.convert_to_tensor(outputs)))


def test_the_loss_of_classes_is_cross_entropy_by_any_of_its_names() -> None:
    expected = pytest.approx(-np.log(RIGHT).mean(), rel=1e-5)
    assert value("multiclass", CLASSES, PROBABILITIES) == expected
    assert value("multiclass", CLASSES, PROBABILITIES, loss="categorical_crossentropy") == expected
    assert value("multiclass", np.eye(3)[CLASSES], PROBABILITIES, mixed=True) == expected
    assert value("multiclass", CLASSES, PROBABILITIES, mixed=True) == expected


def test_the_loss_of_mixed_labels_is_the_mixture_of_their_losses() -> None:
    mixed = 0.3 * np.eye(3)[CLASSES] + 0.7 * np.eye(3)[CLASSES[::-1]]
    expected = 0.3 * -np.log([0.5, 0.7]).mean() + 0.7 * -np.log([0.2, 0.1]).mean()
    assert value("multiclass", mixed, PROBABILITIES, mixed=True) == pytest.approx(expected, rel=1e-5)


def test_label_smoothing_spreads_a_share_of_the_label_over_all_classes() -> None:
    smoothed = 0.7 * np.eye(3)[CLASSES] + 0.3 / 3
    expected = -(smoothed * np.log(PROBABILITIES)).sum(axis=1).mean()
    assert value("multiclass", CLASSES, PROBABILITIES, label_smoothing=0.3) == pytest.approx(expected, rel=1e-5)
    smoothed = 0.7 * LABELS[:, None] + 0.15
    expected = -(smoothed * np.log(CHANCES) + (1 - smoothed) * np.log(1 - CHANCES)).mean()
    assert value("binary", LABELS, CHANCES, label_smoothing=0.3) == pytest.approx(expected, rel=1e-5)


def test_focal_losses_weigh_down_what_is_certain() -> None:
    focal = {"type": "categorical_focal_crossentropy", "gamma": 3.0, "alpha": 0.5}
    expected = (-0.5 * (1 - RIGHT) ** 3 * np.log(RIGHT)).mean()
    assert value("multiclass", CLASSES, PROBABILITIES, loss=focal) == pytest.approx(expected, rel=1e-5)
    right = np.array([0.8, 0.6])
    expected = (-((1 - right) ** 3) * np.log(right)).mean()
    focal = {"type": "binary_focal_crossentropy", "gamma": 3.0}
    assert value("binary", LABELS, CHANCES, loss=focal) == pytest.approx(expected, rel=1e-5)


def test_arguments_reach_the_loss() -> None:
    labels, outputs = np.array([0.0, 0.0]), np.array([[3.0], [0.5]], np.float32)
    huber = {"type": "huber", "delta": 0.5}
    assert value("regression", labels, outputs, loss=huber) == pytest.approx((0.5 * (3 - 0.25) + 0.125) / 2)
    with pytest.raises(UserError, match=r"train\.loss: Huber refuses its arguments"):
        loss(train_section(loss={"type": "huber", "delt": 1.0}))


@pytest.mark.parametrize(("task", "name"), [(task, name) for task, names in LOSSES.items() for name in names])
def test_every_loss_of_a_task_is_smaller_where_the_answer_is_better(task: str, name: str) -> None:
    labels = {"multiclass": CLASSES, "binary": LABELS, "multilabel": LABELS[:, None], "regression": LABELS + 1.0}[task]
    good = np.eye(3)[CLASSES] * 0.7 + 0.1 if task == "multiclass" else LABELS[:, None] * 0.8 + 0.1
    bad = np.full_like(good, 1 / 3 if task == "multiclass" else 0.5)
    shift = 1.0 if task == "regression" else 0.0
    losses = [value(task, labels, (outputs + shift).astype(np.float32), loss=name) for outputs in (good, bad)]
    assert 0 <= losses[0] < losses[1]


@pytest.mark.parametrize(
    ("task", "given", "expected"),
    [
        ("multiclass", "accuracy", 1.0),
        ("multiclass", {"type": "top_k_categorical_accuracy", "k": 1}, 1.0),
        ("multiclass", "categorical_crossentropy", -np.log(RIGHT).mean()),
        # The third class is never right above one half, the second never wanted.
        ("multiclass", "recall", 0.5),
        ("multiclass", "precision", 1.0),
        ("multiclass", {"type": "f1_score", "average": "macro"}, 2 / 3),
        ("multiclass", {"type": "f1_score", "average": "micro"}, 1.0),
        ("binary", "auc", 1.0),
        ("binary", "f1_score", 1.0),
        ("binary", {"type": "f1_score", "threshold": 0.3}, 2 / 3),
        ("binary", {"type": "precision", "thresholds": 0.3}, 0.5),
        ("binary", "binary_crossentropy", -np.log([0.8, 0.6]).mean()),
        ("regression", "mae", 0.3),
        ("regression", "rmse", np.sqrt((0.04 + 0.16) / 2)),
        ("regression", "r2_score", 1 - 0.2 / 0.5),
    ],
)
def test_a_training_metric_has_the_value_worked_out_by_hand(task: str, given: Any, expected: float) -> None:
    labels, outputs = (CLASSES, PROBABILITIES) if task == "multiclass" else (LABELS, CHANCES)
    (metric,) = metrics(train_section(metrics=[given]), task)
    labels = labels.astype(np.float32) if task == "regression" else labels
    metric.update_state(keras.ops.convert_to_tensor(labels), keras.ops.convert_to_tensor(outputs))
    assert float(metric.result()) == pytest.approx(expected, rel=1e-4)
    metric.reset_state()
    assert all(not np.asarray(variable).any() for variable in metric.variables)


def test_of_mixed_labels_the_one_that_dominates_counts() -> None:
    (metric,) = metrics(train_section(metrics=["accuracy"]), "multiclass")
    metric.update_state(keras.ops.convert_to_tensor([[0.4, 0.0, 0.6], [0.4, 0.6, 0.0]]), PROBABILITIES)
    assert float(metric.result()) == 0.5


def test_only_what_is_an_error_is_better_smaller() -> None:
    assert {name for task in KERAS_METRICS.values() for name in task if direction(f"val_{name}") == "min"} == {
        *("mae", "mse", "rmse", "mape", "binary_crossentropy", "categorical_crossentropy")
    }
    assert direction("loss") == direction("val_loss") == "min"


def test_balanced_weights_make_all_classes_weigh_the_same() -> None:
    labels = np.array([0, 0, 0, 2])
    weights = class_weights(train_section(class_weights="balanced"), labels, ("a", "b", "c"))
    assert weights is not None
    assert [weights[label] for label in (0, 2)] == pytest.approx([2 / 3, 2.0])
    assert set(weights) == {0, 1, 2}


def test_weights_are_given_by_the_names_of_classes() -> None:
    section = train_section(class_weights={7: 3.0, "8": 0.5})
    expected = dict.fromkeys(range(10), 1.0) | {7: 3.0, 8: 0.5}
    assert class_weights(section, np.arange(10), tuple("0123456789")) == expected
    with pytest.raises(UserError, match=r"train.class_weights.7: expected one of the classes: cat, dog"):
        class_weights(section, np.arange(2), ("cat", "dog"))


@pytest.mark.slow
def test_a_class_that_weighs_nothing_is_never_learned(digits: Stages, tmp_path: Path) -> None:
    arrays, labels = read_prepared(digits.prepared / "train")
    recall = {}
    for weight in (0.0, 1.0, 5.0):
        section = train_section(epochs=4, optimizer={"learning_rate": 0.02}, class_weights={"3": weight})
        folder = train_small(digits.prepared, tmp_path / str(weight), PLAIN, section)
        predicted = predictor(load_model(folder / "network.keras"))(arrays).argmax(axis=1)
        recall[weight] = float((predicted[labels == 3] == 3).mean())
    assert recall[0.0] == 0.0
    assert 0.5 < recall[1.0] <= recall[5.0]


def test_training_watches_the_metrics_it_is_told_to(digits: Stages, tmp_path: Path) -> None:
    section = train_section(
        epochs=4,
        optimizer={"learning_rate": 0.02},
        loss="categorical_focal_crossentropy",
        label_smoothing=0.1,
        metrics=["f1_score", {"type": "top_k_categorical_accuracy", "k": 2}],
        early_stopping={"monitor": "val_f1_score", "patience": 3},
    )
    folder = train_small(digits.prepared, tmp_path / "trained", PLAIN, section)
    history = json.loads((folder / "history.json").read_text())
    names = {"f1_score", "top_k_categorical_accuracy", "loss"}
    assert set(history["epochs"][0]) == {"epoch", "learning_rate", *names, *(f"val_{name}" for name in names)}
    scores = [epoch["val_f1_score"] for epoch in history["epochs"]]
    assert history["best_epoch"] == int(np.argmax(scores))
    assert scores[-1] > scores[0]
