"""Each rule on a planted fault that it must find, and on a near miss that it must not."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from pipeline.diagnosis.diagnose import diagnose, merged
from pipeline.diagnosis.figures import drawn, in_line
from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.rollback import healthy_epochs
from pipeline.diagnosis.rules import RULES, SYMPTOMS
from pipeline.diagnosis.siblings import stuck
from pipeline.diagnosis.signals import Column, Signals
from pipeline.diagnosis.task import Task, labels_problem
from tests.diagnosis.made_up import LAYERS, training

FLAT = [1.386] * 40
FAILED = {"score": 0.25, "loss": 1.386}
"""Of readings of a training that learns nothing."""

LINEAR = tuple(replace(layer, activations=()) for layer in LAYERS[:2])
SIGMOID = tuple(replace(layer, activations=("sigmoid",)) for layer in LAYERS[:2])
NARROW = (replace(LAYERS[0], width=2), LAYERS[1], LAYERS[2])
LOGITS_TWICE = {"output_activation": "softmax", "from_logits": True, "logits_known": True}
FALLING = [1.386 - 0.004 * i for i in range(40)]
JUMPING = [1.2 + 0.4 * (i % 2) for i in range(40)]


@dataclass(frozen=True)
class Planted:
    """A fault, its near miss, and the layer to blame."""

    symptom: str
    sick: Callable[[], Signals]
    near_miss: Callable[[], Signals]
    layer: str | None = None
    severity: str = "critical"


def failed(losses: list[float] = FLAT, **changes: object) -> Signals:
    """A training that ended without having learnt anything."""
    return training(losses, ended=True, **{**FAILED, **changes})


def accuracy(training_accuracy: list[float], validation: list[float], val_loss: list[float]) -> dict[str, list[float]]:
    return {"accuracy": training_accuracy, "val_accuracy": validation, "val_loss": val_loss}


def values(losses: list[float], val_losses: list[float], **changes: object) -> Signals:
    """A regression that ended; a constant answer's loss is 1, nearest neighbours get an R² of 0.9."""
    facts = {"task": "values", "constant_loss": 1.0, "chance": 0.0, "label_spread": 1.0}
    return training(losses, ended=True, logs={"val_loss": val_losses}, facts=facts, **changes)


def coded(labels: list[Any]) -> str:
    """What is said of labels, class indices or one-hot, of a network with four outputs."""
    array = np.array(labels)
    loss = "categorical_crossentropy" if array.ndim == 2 else "sparse_categorical_crossentropy"
    return labels_problem(Task("classes", loss, None, False, array), array, 4)


def rising(first: float, last: float) -> list[float]:
    return list(np.linspace(first, last, 40))


PLANTED = [
    Planted(
        "wrong_labels",
        lambda: training(facts={"labels_problem": coded([1, 2, 3, 4])}),
        lambda: training(facts={"labels_problem": coded([0, 1, 2, 3])}),
    ),
    Planted(
        "wrong_labels",
        lambda: training(facts={"labels_problem": coded([[0.5, 0.4, 0, 0]])}),
        lambda: training(facts={"labels_problem": coded([[0.5, 0.4995, 0, 0]])}),
    ),
    Planted(
        "improper_activation",
        lambda: failed(facts={"output_activation": "relu"}),
        lambda: failed(facts={"output_activation": "linear", "from_logits": True}),
        "output",
    ),
    Planted(
        "improper_activation",
        lambda: failed(facts={"output_activation": "linear"}),
        lambda: failed(facts={"output_activation": "linear", "loss": "categorical_hinge"}),
        "output",
    ),
    Planted(
        "improper_activation",
        lambda: failed(facts={**LOGITS_TWICE, "loss": "categorical_focal_crossentropy"}),
        lambda: failed(facts={**LOGITS_TWICE, "from_logits": False}),
        "output",
    ),
    Planted(
        "improper_activation",
        lambda: failed(facts={"layers": (*LINEAR, LAYERS[2])}),
        lambda: failed(facts={"layers": (LINEAR[0], LAYERS[1], LAYERS[2])}),
        "first",
    ),
    Planted(
        "improper_activation",
        lambda: failed(facts={"output_activation": "softmax", "from_logits": True}),
        lambda: failed(),
        "output",
    ),
    Planted(
        "unreached_weights",
        lambda: failed(facts={"layers": (replace(LAYERS[0], connected=False), *LAYERS[1:])}),
        lambda: failed(facts={"layers": (replace(LAYERS[0], connected=False, trainable=False), *LAYERS[1:])}),
        "first",
    ),
    Planted(
        "abnormal_input",
        lambda: failed(facts={"input_size": 150.0}),
        lambda: failed(facts={"input_size": 10.0}),
        "first",
    ),
    Planted(
        "poor_initialization",
        lambda: failed(layers={Column.WEIGHT: [0.35, 0.0, 0.35]}),
        lambda: failed(layers={Column.WEIGHT: [0.35, 0.05, 0.35]}),
        "second",
    ),
    Planted(
        "poor_initialization",
        lambda: failed(layers={Column.WEIGHT: [0.35, 3.0, 0.35]}),
        lambda: failed(layers={Column.WEIGHT: [0.35, 1.0, 0.35]}),
        "second",
    ),
    Planted(
        "too_large_steps",
        lambda: failed(facts={"learning_rate": 0.3}),
        lambda: failed(facts={"learning_rate": 0.05}),
    ),
    Planted(
        "too_large_steps",
        lambda: failed(layers={Column.UPDATE: [0.2, 0.01, 0.01]}),
        lambda: failed(layers={Column.UPDATE: [0.02, 0.01, 0.01]}),
    ),
    Planted(
        "too_large_steps",
        lambda: failed(facts={"optimizer": "SGD", "learning_rate": 0.2, "momentum": 0.9}),
        lambda: failed(facts={"optimizer": "SGD", "learning_rate": float(np.float32(0.1)), "momentum": 0.9}),
    ),
    Planted(
        "frozen_weights",
        lambda: failed(layers={Column.UPDATE: 1e-6}, facts={"learning_rate": 1e-6}),
        lambda: failed(layers={Column.UPDATE: [1e-6, 1e-6, 1e-3]}),
    ),
    Planted(
        "exploding_gradient",
        lambda: failed(layers={Column.GRADIENT: [1.0, 90.0, 2.0]}),
        lambda: failed(layers={Column.GRADIENT: [1.0, 5.0, 2.0]}),
        "second",
    ),
    Planted(
        "exploding_gradient",
        lambda: failed(layers={Column.SIZE: [0.5, 9e4, 0.5]}),
        lambda: failed(layers={Column.SIZE: [0.5, 90.0, 0.5]}),
        "second",
    ),
    Planted(
        "nan",
        lambda: training(finite=False, layers={Column.SIZE: [0.5, float("inf"), float("nan")]}),
        lambda: training(layers={Column.SIZE: [0.5, 1e20, 1e20]}),
        "second",
    ),
    Planted(
        "dying_relu",
        lambda: failed(layers={Column.DEAD: [0.1, 0.9, 0.0]}),
        lambda: failed(layers={Column.DEAD: [0.1, 0.6, 0.0]}),
        "second",
    ),
    Planted(
        "dead_layer",
        lambda: failed(layers={Column.SPREAD: [0.4, 0.0, 0.0]}),
        lambda: failed(layers={Column.SPREAD: [0.4, 1e-4, 1e-4]}),
        "second",
    ),
    Planted(
        "saturated_activation",
        lambda: failed(layers={Column.SATURATED: [0.9, 0.2, 0.9]}, facts={"layers": (*SIGMOID, LAYERS[2])}),
        lambda: failed(layers={Column.SATURATED: [0.4, 0.2, 0.9]}, facts={"layers": (*SIGMOID, LAYERS[2])}),
        "first",
    ),
    Planted(
        "vanishing_gradient",
        lambda: failed(layers={Column.GRADIENT: [1e-8, 1e-5, 0.02]}),
        lambda: failed(layers={Column.GRADIENT: [1e-4, 1e-3, 0.02]}),
        "first",
    ),
    Planted(
        "diverging",
        lambda: failed([1.4, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 9.0, 12.0]),
        lambda: failed([4.0, 3.0, 2.0, 1.5, 1.4, 1.4, 1.5, 1.4, 1.6, 1.5]),
    ),
    Planted(
        "diverging",
        lambda: failed([1.4, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 9.0, 12.0]),
        lambda: failed([*np.linspace(-1, -3, 10), -2.9, -2.9, -2.9], facts={"constant_loss": float("nan")}),
    ),
    Planted(
        "oscillating_loss",
        lambda: failed(JUMPING),
        lambda: failed([1.2 + 0.04 * (i % 2) for i in range(40)]),
    ),
    Planted(
        "improper_activation",
        lambda: failed(facts={"output_activation": "log_softmax"}),
        lambda: failed(facts={"output_activation": "log_softmax", "from_logits": True}),
        "output",
    ),
    Planted("class_collapse", lambda: failed(top_share=1.0), lambda: failed(top_share=0.8)),
    Planted(
        "overfitting",
        lambda: training(
            rising(1.3, 0.05), ended=True, logs=accuracy(rising(0.3, 1), rising(0.3, 0.55), rising(1.2, 2.5))
        ),
        lambda: training(
            rising(1.3, 0.25), ended=True, logs=accuracy(rising(0.3, 0.95), rising(0.3, 0.9), rising(1.2, 0.3))
        ),
        severity="warning",
    ),
    Planted(
        "overfitting",
        lambda: values(rising(1.0, 0.1), rising(0.9, 1.2), score=0.3),
        lambda: values(rising(1.0, 0.1), rising(0.9, 0.3), score=0.3),
        severity="warning",
    ),
    Planted(
        "overfitting",
        lambda: values(rising(1.0, 0.1), rising(0.2, 0.4), score=0.85),
        lambda: values(rising(1.0, 0.1), rising(0.2, 0.21), score=0.85),
        severity="note",
    ),
    Planted(
        "overfitting",
        lambda: values(rising(1.0, 0.1), rising(0.2, 0.4), score=0.85),
        lambda: values(rising(1.0, -3.0), rising(-0.5, 0.1), score=0.85),
        severity="note",
    ),
    Planted(
        "label_noise",
        lambda: training(
            rising(1.3, 0.1),
            ended=True,
            logs=accuracy(rising(0.6, 1), [*rising(0.6, 0.9)[::4], *rising(0.9, 0.8)[10:]], rising(1, 0.9)),
        ),
        lambda: training(
            rising(1.3, 0.1), ended=True, logs=accuracy(rising(0.6, 1), rising(0.6, 0.85), rising(1, 0.9))
        ),
        severity="note",
    ),
    Planted(
        "slow_convergence",
        lambda: failed(FALLING, facts={"planned_epochs": 40}),
        lambda: failed(FALLING),  # it was stopped: there were epochs to come
        severity="warning",
    ),
    Planted("plateau", lambda: failed(), lambda: failed(FALLING), severity="warning"),
    Planted(
        "underfitting",
        lambda: training([1.0] * 40, ended=True, score=0.6, loss=1.0),
        lambda: training([0.5] * 40, ended=True, score=0.88, loss=0.5),
        severity="warning",
    ),
    Planted(
        "underfitting",
        lambda: failed(facts={"layers": NARROW}),
        lambda: failed(),
        "first",
        severity="warning",
    ),
    Planted("not_converging", lambda: failed(), lambda: training([1.0] * 40, ended=True, score=0.7, loss=1.0)),
    Planted(
        "loss_scale_collapse",
        lambda: with_last_epoch(training(), loss_scale=0.25),
        lambda: with_last_epoch(training(), loss_scale=128.0),
        severity="warning",
    ),
    Planted(
        "memory_limit",
        lambda: with_last_epoch(training(), memory_share=0.99),
        lambda: with_last_epoch(training(), memory_share=0.9),
        severity="note",
    ),
    Planted("input_bound", lambda: waiting(1.0, 0.75), lambda: waiting(1.0, 0.25), severity="note"),
    Planted(
        "poor_optimum",
        lambda: replace(training(score=0.6, loss=1.0, ended=True), siblings=(0.98, 1.0, 0.97)),
        lambda: replace(training(score=0.6, loss=1.0, ended=True), siblings=(0.3, 1.0, 0.8)),
        severity="warning",
    ),
]


def with_last_epoch(signals: Signals, **changes: float) -> Signals:
    return replace(signals, epochs=[*signals.epochs[:-1], replace(signals.epochs[-1], **changes)])


def waiting(*shares: float) -> Signals:
    """A training whose last epochs found so many of their batches not ready."""
    seen = training().epochs
    last = [replace(epoch, wait_share=share) for epoch, share in zip(seen[-len(shares) :], shares, strict=True)]
    return replace(training(), epochs=[*seen[: -len(shares)], *last])


def found(signals: Signals, symptom: str) -> Finding | None:
    return next((finding for finding in diagnose(signals) if finding.symptom == symptom), None)


@pytest.mark.parametrize("planted", PLANTED, ids=[f"{each.symptom}-{i}" for i, each in enumerate(PLANTED)])
def test_a_planted_fault_is_found_and_its_near_miss_is_not(planted: Planted) -> None:
    finding = found(planted.sick(), planted.symptom)
    assert finding is not None
    assert finding.severity == planted.severity
    assert finding.layers[:1] == ((planted.layer,) if planted.layer else finding.layers[:1])
    assert finding.message
    assert finding.message[-1] == "."
    assert finding.source
    assert finding.figure
    assert drawn(finding.figure).startswith("<svg")
    assert found(planted.near_miss(), planted.symptom) is None


def test_a_figure_shows_the_blamed_layer_beside_the_others() -> None:
    finding = found(failed(layers={Column.GRADIENT: [1e-8, 1e-5, 0.02]}), "vanishing_gradient")
    assert finding is not None
    assert finding.figure is not None
    assert finding.figure.lines["first"] == (1e-8,) * 5
    assert finding.figure.lines["other layers"] == (0.02,) * 5
    assert finding.figure.epochs == (0, 1, 4, 16, 40)


def test_a_figure_in_one_line_rises_with_its_values() -> None:
    finding = found(failed([1.4, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 9.0, 12.0]), "diverging")
    assert finding is not None
    assert finding.figure is not None
    assert in_line(finding.figure) == "loss: 1.4 ▁▁▁▂▃▃▄▅▆█ 12"


def test_every_rule_is_planted() -> None:
    assert {each.symptom for each in PLANTED} == set(SYMPTOMS)
    assert len({type(rule) for rule in RULES}) == len(RULES)


def test_a_healthy_training_has_no_findings() -> None:
    assert diagnose(training()) == []
    assert diagnose(training(rising(1.3, 0.2), ended=True)) == []


@pytest.mark.parametrize("layers", [{Column.DEAD: [0.1, 0.9, 0.0]}, {Column.SATURATED: [0.9, 0.9, 0.0]}])
def test_what_does_not_keep_a_training_from_learning_is_a_note(layers: dict[Column, list[float]]) -> None:
    assert {finding.severity for finding in diagnose(training(layers=layers))} == {"note"}


def begun_at(epoch: int, signals: Signals) -> Signals:
    """The same training, begun after so many epochs."""
    readings = [replace(each, epoch=each.epoch + epoch * (each.epoch > 0)) for each in signals.readings]
    epochs = [replace(each, epoch=each.epoch + epoch) for each in signals.epochs]
    facts = replace(signals.facts, planned_epochs=signals.facts.planned_epochs + epoch)
    return replace(signals, facts=facts, readings=readings, epochs=epochs)


@pytest.mark.parametrize("planted", PLANTED, ids=[f"{each.symptom}-{i}" for i, each in enumerate(PLANTED)])
def test_a_training_that_begins_later_is_judged_from_there(planted: Planted) -> None:
    late = found(begun_at(50, planted.sick()), planted.symptom)
    assert late is not None
    assert late.severity == planted.severity
    assert found(begun_at(50, planted.near_miss()), planted.symptom) is None


def test_healthy_epochs_are_counted_from_the_first_of_the_training() -> None:
    signals = training(
        JUMPING[:10], logs={"accuracy": [0.3, 0.5, 0.9, 0.8, *[0.25] * 6]}, layers={Column.UPDATE: [0.2, 0.01, 0.01]}
    )
    late = begun_at(50, signals)
    finding = Finding("nan", "critical", "", first_epoch=5)
    assert healthy_epochs(signals, [finding]) == 3
    assert healthy_epochs(late, [replace(finding, first_epoch=55)]) == 3
    assert healthy_epochs(late, [replace(finding, first_epoch=52)]) == 0


def test_epochs_without_a_validation_are_left_out() -> None:
    signals = values(rising(1.0, 0.1), rising(0.9, 1.2), score=0.3)
    every_other = [
        each if each.epoch % 2 == 0 else replace(each, logs={"loss": each["loss"]}) for each in signals.epochs
    ]
    finding = found(replace(signals, epochs=every_other), "overfitting")
    assert finding is not None
    assert finding.message.startswith("The validation loss has risen by 31% since epoch 2, while")
    assert finding.first_epoch == 2


def test_steps_that_are_too_small_are_not_called_a_falling_loss() -> None:
    finding = found(failed([1.386 + 0.001 * i for i in range(40)], layers={Column.UPDATE: 1e-6}), "slow_convergence")
    assert finding is not None
    assert finding.message.startswith("The first steps changed the weights by at most 1e-06 of their size each")


def test_causes_are_named_before_consequences() -> None:
    findings = diagnose(failed(layers={Column.WEIGHT: [0.35, 0.0, 0.35], Column.SPREAD: [0.4, 0.0, 0.0]}))
    names = [finding.symptom for finding in findings]
    assert names.index("poor_initialization") < names.index("dead_layer") < names.index("not_converging")


def test_what_was_said_stays_and_keeps_the_epoch_at_which_it_was_first_seen() -> None:
    early = diagnose(training(FLAT[:3], layers={Column.DEAD: [0.1, 0.9, 0.0]}, **FAILED))
    late = diagnose(failed(layers={Column.DEAD: [0.1, 0.9, 0.0]}))
    finding = next(each for each in merged(early, late) if each.symptom == "dying_relu")
    assert (finding.first_epoch, finding.called_epoch, finding.severity) == (3, 40, "critical")
    assert merged(late, []) == merged([], late)


def test_a_wrong_output_and_missing_activations_are_one_finding_with_the_remedies_of_both() -> None:
    linear = (*LINEAR, LAYERS[2])
    both, output, hidden = (
        next(found for found in diagnose(failed(facts=facts)) if found.symptom == "improper_activation")
        for facts in (
            {"layers": linear, "output_activation": "relu"},
            {"output_activation": "relu"},
            {"layers": linear},
        )
    )
    assert both.layers == (*output.layers, *hidden.layers)
    assert both.message == f"{output.message} {hidden.message}"
    assert both.remedies == (*output.remedies, *hidden.remedies)


def test_of_seeds_none_of_which_was_diagnosed_none_is_stuck() -> None:
    assert stuck({}) == {}


def test_a_seed_that_ends_far_below_the_others_is_stuck_and_told_from_seeds_that_all_differ() -> None:
    def ended(*skills: float | None) -> dict[int, Finding]:
        history = {"loss": [1.0] * 59 + [None], "val_loss": [2.0] * 60}
        trees = enumerate({"skill": skill, "num_epochs": 60, "history": history} for skill in skills)
        return stuck(dict(trees))

    assert list(ended(0.95, 0.3, 1.0, 0.97)) == [1]
    shown = ended(0.95, 0.3, 1.0, 0.97)[1].figure
    assert (len(shown.epochs), shown.lines["loss"][-2:], shown.lines["val_loss"][0]) == (60, (1.0, None), 2.0)
    assert str(ended(0.95, 0.3, 1.0, 0.97)[1].remedies[0]) == "seed=2"
    assert ended(0.95, 0.9, 1.0, 0.97) == {}
    assert ended(0.95, 0.3, 0.1, 0.7) == {}
    assert ended(0.95, 0.3) == {}
    assert ended(0.95, None, 1.0, 0.97) == {}
