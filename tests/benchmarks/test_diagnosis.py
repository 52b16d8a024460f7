"""The benchmark of diagnosis: published rules on made-up signals, intervals by cases, and what it keeps and prints."""

import dataclasses
from pathlib import Path

import pytest

from benchmarks.diagnosed.cases import Case
from benchmarks.diagnosed.published_rules import PUBLISHED
from benchmarks.diagnosed.repairs import METHODS, draw
from benchmarks.diagnosed.report import Row, cost, detection, misses, naming
from benchmarks.diagnosed.shares import interval
from benchmarks.diagnosed.trainings import kept, replay, train
from benchmarks.diagnosed.verdicts import OURS, TOOLS
from benchmarks.diagnosed.zoo import zoo_cases
from benchmarks.diagnosis import REPAIRS
from pipeline.diagnosis.signals import Column
from tests.diagnosis.made_up import training
from tests.diagnosis.zoo import SICK

GOOD = {"accuracy": [0.6, 0.7, 0.8, 0.9, 0.95], "val_accuracy": [0.6, 0.7, 0.8, 0.85, 0.9], "val_loss": [1.0] * 5}
CHANCE = {"accuracy": [0.25] * 5, "val_accuracy": [0.25] * 5, "val_loss": [1.0] * 5}
SHORT = {"planned_epochs": 5}


def called(tool: str, **changes: object) -> set[str]:
    signals = training(facts=SHORT, **changes)  # type: ignore[arg-type]
    return {call.symptom for call in PUBLISHED[tool](signals)}


def test_published_rules_call_what_their_thresholds_say() -> None:
    assert called("AUTOTRAINER", logs=GOOD) == set()
    assert called("AUTOTRAINER", logs=CHANCE) == {"slow_convergence"}
    assert called("AUTOTRAINER", logs=CHANCE, layers={Column.ZERO_GRADIENTS: 0.71}) == {"dying_relu"}
    assert called("AUTOTRAINER", logs=CHANCE, layers={Column.ZERO_GRADIENTS: 0.69}) == {"slow_convergence"}
    assert called("AUTOTRAINER", logs=CHANCE, layers={Column.GRADIENT: [8, 1, 0.1]}) == {"exploding_gradient"}
    assert called("DeepDiagnosis", logs=GOOD) == set()
    assert called("DeepDiagnosis", logs=GOOD, layers={Column.GRADIENT: [9e-8, 1, 1]}) == {"vanishing_gradient"}
    assert "vanishing_gradient" not in called("SageMaker Debugger", layers={Column.GRADIENT: 2e-7})
    assert "vanishing_gradient" in called("SageMaker Debugger", layers={Column.GRADIENT: 9e-8})
    assert "not_converging" in called("SageMaker Debugger", losses=(1, 0.9, 0.8, 0.8, 0.7))
    assert "overfitting" in called("UMLAUT", losses=(1, 0.9), logs={"val_loss": [1, 1.1]})
    assert called("UMLAUT", losses=(1, 0.9), logs={"val_loss": [1, 0.9]}) == set()


def test_trainings_of_one_case_are_no_independent_evidence() -> None:
    hits = [True, True, True, False] * 15
    apart = interval(hits, [str(i) for i in range(60)])
    together = interval(sorted(hits), [str(i // 4) for i in range(60)])
    assert 1.5 * (apart[1] - apart[0]) < together[1] - together[0]
    assert interval([True] * 6, list("aaabbb")) == pytest.approx((0.342, 1.0), abs=1e-3)


def test_random_search_changes_something_and_repeats_its_draws() -> None:
    drawn = [draw(seed) for seed in range(30)]
    assert all(drawn)
    assert drawn == [draw(seed) for seed in range(30)]
    assert len({str(each) for each in drawn}) > 25


@pytest.fixture(scope="module")
def sick() -> Case:
    case = next(case for case in zoo_cases() if case.id == "zeros in one layer")
    return dataclasses.replace(case, epochs=6)


def test_every_way_to_repair_can_be_asked_for() -> None:
    assert tuple(METHODS) == REPAIRS


@pytest.mark.slow
def test_the_callback_changes_nothing_and_is_judged_from_what_is_kept(sick: Case, tmp_path: Path) -> None:
    watched, plain = train(tmp_path, sick, 0), train(tmp_path, sick, 0, watched=False)
    again = kept(tmp_path, sick, 0)
    assert again is not None
    assert list(again.scores) == list(watched.scores) == list(plain.scores)
    assert again.signals is not None
    verdicts = {name: judge(again.signals) for name, judge in TOOLS.items()}
    assert "zero_init" in verdicts[OURS].symptoms
    rows = [Row(sick, 0, again, verdicts, plain)]
    assert "1 bad, 0 good" in detection(rows)
    assert "1/1" in naming(rows)
    assert "equal to the bit: 1/1" in cost(rows)
    assert misses(rows).strip() == "## every miss"


def test_what_is_kept_gives_the_findings_that_the_callback_made() -> None:
    diagnosis = dataclasses.replace(SICK["a rate far too high"], epochs=6).watched()
    assert [(each.symptom, each.severity, each.called_epoch) for each in replay(diagnosis.signals)] == [
        (each.symptom, each.severity, each.called_epoch) for each in diagnosis.findings
    ]
