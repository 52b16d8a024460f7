"""Each check of the pre-flight on a planted fault that it must find, and on a near miss that it must not."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from pipeline.diagnosis.before import CHECKS, Seen, judge
from pipeline.diagnosis.before.seen import LayerWeights, Leaks, Reloaded, Trial
from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.signals import Column
from tests.diagnosis.made_up import FACTS, LAYERS, Change, reading

WEIGHTS = tuple(LayerWeights(layer.name, layer.num_weights, trainable=True) for layer in LAYERS)
TRIAL = Trial(32, 50, 1e-3, first_loss=1.4, last_loss=0.02, score=1.0, chance=0.3, solved=True)
SIGMOIDS = {Column.GRADIENT: [1e-7, 1e-4, 0.1]}
FADING = {Column.SIZE: [0.5, 0.5, 0.5], Column.SPREAD: [0.4, 1e-6, 1e-7]}
CONSTANT_WITH_ZEROS_LAST = {**FADING, Column.WEIGHT: [0.3, 0.3, 0.0]}
SCALED_BRANCH = {Column.GRADIENT: [0.1, 1e-8, 0.1]}


SOFTMAX_OF_LABELS = {"task": "labels", "output_activation": "softmax", "loss": "binary_crossentropy"}


def seen(
    *, layers: Change | None = None, loss: float = 1.4, facts: dict[str, Any] | None = None, **fields: Any
) -> Seen:
    """A healthy training before its first step, unless changed."""
    healthy = Seen(
        replace(FACTS, **(facts or {})),
        reading(0, layers=layers, loss=loss),
        weights=WEIGHTS,
        batch_size=32,
        class_counts=(100, 90, 110, 95),
        leaks=Leaks(),
        trial=TRIAL,
        reloaded=Reloaded(),
    )
    return replace(healthy, **fields)


def values(**fields: Any) -> Seen:
    """The same of a regression."""
    facts = {"task": "values", "loss": "mean_squared_error", "output_activation": "linear", "constant_loss": 1.4}
    return seen(facts={**facts, **fields.pop("facts", {})}, **fields)


def optimizer(name: str, rate: float, **facts: Any) -> Seen:
    return seen(facts={"optimizer": name, "learning_rate": rate, **facts})


def frozen(num: int) -> tuple[LayerWeights, ...]:
    return tuple(replace(layer, trainable=place >= num) for place, layer in enumerate(WEIGHTS))


@dataclass(frozen=True)
class Planted:
    """A fault, its near miss, and the layer to blame."""

    symptom: str
    sick: Callable[[], Seen]
    near_miss: Callable[[], Seen]
    severity: str = "warning"
    layer: str = ""


PLANTED = [
    Planted("initial_loss", lambda: seen(loss=9.0), lambda: seen(loss=3.0), layer="output"),
    Planted("initial_loss", lambda: seen(loss=float("nan")), lambda: seen(loss=0.8), "critical"),
    Planted("initial_loss", lambda: seen(loss=0.2), lambda: seen(loss=0.8), "note"),
    Planted("initial_loss", lambda: values(loss=90.0), lambda: values(loss=9.0)),
    Planted(
        "improper_activation",
        lambda: seen(facts={"output_activation": "linear"}),
        lambda: seen(facts={"output_activation": "linear", "from_logits": True}),
        layer="output",
    ),
    Planted(
        "improper_activation",
        lambda: seen(facts={"from_logits": True, "logits_known": True}),
        lambda: seen(facts={"logits_known": True}),
        "note",
    ),
    Planted(
        "improper_activation",
        lambda: seen(facts={"layers": (*LAYERS[:2], replace(LAYERS[2], activations=("relu", "softmax")))}),
        lambda: seen(),
        layer="output",
    ),
    Planted(
        "improper_activation",
        lambda: seen(facts={"layers": (replace(LAYERS[0], activations=()), LAYERS[2])}, layers=None),
        lambda: seen(facts={"layers": (replace(LAYERS[0], kind="Embedding", activations=()), LAYERS[2])}),
        layer="first",
    ),
    Planted(
        "improper_activation",
        lambda: seen(facts={"task": "labels", "output_activation": "sigmoid"}, exclusive=True),
        lambda: seen(facts={"task": "labels", "output_activation": "sigmoid"}),
        "note",
        layer="output",
    ),
    Planted(
        "improper_activation",
        lambda: seen(facts=SOFTMAX_OF_LABELS, exclusive=True),
        lambda: seen(facts={"task": "labels", "output_activation": "sigmoid"}),
        "note",
        layer="output",
    ),
    Planted(
        "wrong_labels",
        lambda: seen(facts={"labels_problem": "labels go from 1 to 4, but there are 4 outputs, from 0"}),
        lambda: seen(),
        "critical",
    ),
    Planted("wrong_labels", lambda: values(value_size=3e5), lambda: values(value_size=99.0)),
    Planted(
        "abnormal_input",
        lambda: seen(facts={"input_size": 150.0}),
        lambda: seen(facts={"input_size": 10.0}),
        layer="first",
    ),
    Planted("abnormal_input", lambda: seen(facts={"input_size": 2e-5}), lambda: seen(facts={"input_size": 0.01})),
    Planted(
        "abnormal_input",
        lambda: seen(facts={"input_size": 150.0}, scales_itself=True),
        lambda: seen(facts={"input_size": 10.0}),
        "note",
    ),
    Planted(
        "poor_initialization",
        lambda: seen(layers=FADING),
        lambda: seen(layers=CONSTANT_WITH_ZEROS_LAST),
        layer="second",
    ),
    Planted(
        "poor_initialization",
        lambda: seen(layers={Column.SIZE: [0.5, 9e4, 0.5]}),
        lambda: seen(layers={Column.SIZE: [0.5, 90, 0.5]}),
        layer="second",
    ),
    Planted("poor_initialization", lambda: seen(layers={Column.WEIGHT: 0.0}), lambda: seen()),
    Planted("vanishing_gradient", lambda: seen(layers=SIGMOIDS), lambda: seen(layers=SCALED_BRANCH), layer="first"),
    Planted(
        "vanishing_gradient",
        lambda: seen(layers={Column.GRADIENT: [900, 3, 0.01]}),
        lambda: seen(layers={Column.GRADIENT: [0.9, 0.3, 0.01]}),
        layer="first",
    ),
    Planted(
        "unreached_weights",
        lambda: seen(facts={"layers": (replace(LAYERS[0], connected=False), *LAYERS[1:])}),
        lambda: seen(facts={"layers": (replace(LAYERS[0], connected=False, trainable=False), *LAYERS[1:])}),
        layer="first",
    ),
    Planted(
        "unreached_weights",
        lambda: seen(facts={"layers": (LAYERS[0], replace(LAYERS[1], cut=("scale",)), LAYERS[2])}),
        lambda: seen(facts={"layers": (LAYERS[0], replace(LAYERS[1], cut=()), LAYERS[2])}),
        "note",
        "second",
    ),
    Planted(
        "unreached_weights",
        lambda: seen(trial=replace(TRIAL, unmoved=("spare",))),
        lambda: seen(),
        layer="spare",
    ),
    Planted("unreached_weights", lambda: seen(trial=replace(TRIAL, unmoved=("first",))), lambda: seen(), layer="first"),
    Planted("frozen_layers", lambda: seen(weights=frozen(3)), lambda: seen(weights=frozen(2)), "critical"),
    Planted(
        "frozen_layers",
        lambda: seen(weights=frozen(1), new_layers=("first",)),
        lambda: seen(weights=frozen(1)),
        layer="first",
    ),
    Planted("learning_rate", lambda: optimizer("Adam", 0.3), lambda: optimizer("Adam", 0.05)),
    Planted("learning_rate", lambda: optimizer("SGD", 5.0), lambda: optimizer("SGD", 0.1, momentum=0.9)),
    Planted("learning_rate", lambda: optimizer("SGD", 0.5, momentum=0.99), lambda: optimizer("Adafactor", 5.0)),
    Planted("learning_rate", lambda: optimizer("Adam", 1e-8), lambda: optimizer("Adam", 1e-5)),
    Planted(
        "learning_rate",
        lambda: optimizer("Adam", 1e-6, planned_epochs=20),
        lambda: optimizer("Adam", 1e-6, planned_epochs=2000),
    ),
    Planted(
        "small_batch_norm",
        lambda: seen(normalized=("norm",), batch_size=4),
        lambda: seen(normalized=(), batch_size=4),
        layer="norm",
    ),
    Planted(
        "small_batch_norm",
        lambda: seen(normalized=("norm",), batch_size=8),
        lambda: seen(normalized=("norm",), batch_size=16),
        "note",
    ),
    Planted(
        "cannot_overfit",
        lambda: seen(trial=replace(TRIAL, solved=False, score=0.33)),
        lambda: seen(trial=replace(TRIAL, solved=False, score=0.33, in_time=False)),
        "critical",
    ),
    Planted("cannot_overfit", lambda: seen(trial=replace(TRIAL, solved=False, score=0.9)), lambda: seen()),
    Planted(
        "cannot_overfit",
        lambda: seen(trial=replace(TRIAL, solved=False, score=0.9), weights=frozen(1)),
        lambda: seen(weights=frozen(1)),
        "note",
    ),
    Planted(
        "not_loadable",
        lambda: seen(reloaded=Reloaded("TypeError: Could not locate class 'Mine'.", ("mine",))),
        lambda: seen(reloaded=Reloaded(difference=1e-6)),
        layer="mine",
    ),
    Planted("not_loadable", lambda: seen(reloaded=Reloaded(difference=0.2)), lambda: seen(reloaded=None)),
    Planted(
        "class_imbalance",
        lambda: seen(class_counts=(1000, 9)),
        lambda: seen(class_counts=(1000, 9), balanced=True),
    ),
    Planted("class_imbalance", lambda: seen(class_counts=(100, 9)), lambda: seen(class_counts=(80, 9)), "note"),
    Planted("class_imbalance", lambda: seen(class_counts=(90, 0, 80)), lambda: seen(class_counts=(90, 10, 80)), "note"),
    Planted("class_imbalance", lambda: seen(class_counts=(90, 0)), lambda: seen(class_counts=(90, 10))),
    Planted("leakage", lambda: seen(leaks=Leaks(shared=3)), lambda: seen(leaks=Leaks(shared=0))),
    Planted("leakage", lambda: seen(leaks=Leaks(telling=("code",))), lambda: seen(leaks=None)),
    Planted("leakage", lambda: seen(leaks=Leaks(told=("columns code tell the label",))), lambda: seen()),
    Planted("leakage", lambda: seen(leaks=Leaks(notes=("3 pairs look alike",))), lambda: seen(), "note"),
]


def found(given: Seen, symptom: str) -> list[Finding]:
    return [finding for finding in judge(given).findings if finding.symptom == symptom]


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.symptom)
def test_a_check_finds_its_fault_and_not_the_near_miss(planted: Planted) -> None:
    (finding,) = found(planted.sick(), planted.symptom)
    assert finding.severity == planted.severity
    assert finding.message.endswith(".") or finding.message.endswith("?")
    assert not planted.layer or finding.layers[0] == planted.layer
    assert finding.evidence or finding.message[0] in "C3"  # words of the data report: columns..., 3 pairs...
    assert found(planted.near_miss(), planted.symptom) == []


def test_every_check_has_a_planted_fault() -> None:
    assert {planted.symptom for planted in PLANTED} == {check.symptom for check in CHECKS}


@pytest.mark.parametrize("given", [seen(), values(value_size=2.0)])
def test_a_healthy_training_may_begin(given: Seen) -> None:
    report = judge(given)
    assert (report.findings, report.verdict, report.suggestion) == ([], "ready to train", None)
    assert all(each.verdict in ("ok", "-") for each in report.checked)


def test_a_report_says_what_was_seen_what_is_wrong_and_what_to_change_first() -> None:
    report = judge(optimizer("Adam", 0.3))
    assert not report.healthy
    assert report.verdict == "1 thing to mend first"
    assert str(report.suggestion) == "train.optimizer.learning_rate=0.001"
    lines = list(report.lines())
    place = lines.index("warning   learning rate           0.3 for Adam; plausible: 1e-07 to 0.1")
    assert lines[place + 1].strip() == "A learning rate of 0.3 is too high for Adam; 0.001 is usual."
    assert lines[place + 2].strip().startswith("- train.optimizer.learning_rate=0.001: ")


def test_what_was_not_looked_at_is_not_judged() -> None:
    checked = judge(Seen(FACTS)).checked
    assert {each.title for each in checked if each.verdict != "-"} <= {"output and loss", "learning rate"}
