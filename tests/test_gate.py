"""The gate: bounds overall and in groups, and the champion on the same test examples."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pipeline.comparison.predictions import TestPredictions
from pipeline.errors import UserError
from pipeline.gate import Champion, Version, check_section, decide
from pipeline.metrics import Predicted
from pipeline.recipe.register import RegisterConfig

NUM_EXAMPLES = 400
SCORES = {"accuracy": 0.9, "log_loss": 0.4}


def answers(num_wrong: int, *, first_wrong: int = 0) -> TestPredictions:
    """Answers of which some in a row are wrong; the first 100 examples are of the north."""
    labels = np.arange(NUM_EXAMPLES) % 2
    wrong = (np.arange(NUM_EXAMPLES) >= first_wrong) & (np.arange(NUM_EXAMPLES) < first_wrong + num_wrong)
    outputs = np.where(wrong, 1 - labels, labels)[:, None].astype(float)
    groups = pd.DataFrame({"site": ["north"] * 100 + ["south"] * 300})
    ids = tuple(f"{i:03d}" for i in range(NUM_EXAMPLES))
    return TestPredictions(ids, Predicted("binary", labels, outputs), ("no", "yes"), ("accuracy", "log_loss"), groups)


def champion(predictions: TestPredictions | None) -> Champion:
    return Champion(Version("digits", "3", {}), predictions)


def test_the_first_model_becomes_champion_if_every_bound_holds() -> None:
    decision = decide(RegisterConfig(gate={"accuracy": 0.9, "log_loss": 0.5}), SCORES, answers(4), None)
    assert decision.champion
    assert decision.reasons == (
        "test accuracy 0.9000 is at least 0.9",
        "test log_loss 0.4000 is at most 0.5",
        "there was no champion before",
    )


@pytest.mark.parametrize(
    ("gate", "reason"),
    [({"accuracy": 0.95}, "accuracy 0.9000 is not at least 0.95"), ({"log_loss": 0.3}, "0.4000 is not at most 0.3")],
)
def test_a_bound_that_does_not_hold_keeps_the_champion(gate: dict[str, float], reason: str) -> None:
    decision = decide(RegisterConfig(gate=gate), SCORES, answers(4), None)
    assert not decision.champion
    assert reason in str(decision)


def test_a_group_that_is_bad_keeps_the_champion_though_all_is_good() -> None:
    section = RegisterConfig(gate={"accuracy": 0.9}, slices={"site": {"north": 0.9, "south": 0.9}})
    decision = decide(section, SCORES, answers(20), None)
    assert not decision.champion
    assert decision.reasons[1] == (
        "of 100 test examples with site north: accuracy 0.8000 [0.7112, 0.8666] is not at least 0.9"
    )
    assert "with site south: accuracy 1.0000" in decision.reasons[2]


def test_a_model_that_is_surely_not_worse_by_more_than_the_margin_becomes_champion() -> None:
    decision = decide(RegisterConfig(margin=0.02), SCORES, answers(5), champion(answers(4)))
    assert decision.champion
    assert "0.2 points worse than 0.9900 of the champion, version 3, 95 % interval -1.4 to 0.7" in decision.reasons[0]
    assert decision.reasons[0].endswith("on 400 examples: not worse by more than the margin of 2.0 points")


def test_a_model_that_may_be_worse_does_not_though_it_is_seen_to_be_better() -> None:
    """As many are right that were wrong as the other way round, but few examples say little."""
    decision = decide(RegisterConfig(margin=0.02), SCORES, answers(19, first_wrong=20), champion(answers(20)))
    assert not decision.champion
    assert decision.reasons[0].startswith("test accuracy is 0.2 points better than 0.9500 of the champion")
    assert decision.reasons[0].endswith("it may be worse by more than the margin of 2.0 points")


def test_a_model_that_is_worse_is_called_so() -> None:
    decision = decide(RegisterConfig(), SCORES, answers(60), champion(answers(4)))
    assert not decision.champion
    assert decision.reasons[0].endswith(": worse by more than the margin of 2.0 points")


def test_the_same_answers_are_not_worse_however_few_they_are() -> None:
    few = answers(4).take(np.arange(20))
    assert decide(RegisterConfig(margin=0.0), SCORES, few, champion(few.take(np.arange(20)[::-1]))).champion


def test_a_loss_is_compared_the_other_way_round() -> None:
    worse, better = answers(30), answers(4)
    by_loss = [replace(each, metrics=("log_loss",)) for each in (worse, better)]
    assert not decide(RegisterConfig(margin=0.01), SCORES, by_loss[0], champion(better)).champion
    assert decide(RegisterConfig(margin=0.01), SCORES, by_loss[1], champion(worse)).champion


def test_other_test_examples_cannot_be_compared() -> None:
    decision = decide(RegisterConfig(), SCORES, answers(4), champion(answers(4).take(np.arange(399))))
    assert not decision.champion
    assert "that one was measured on other test examples. Move the alias by hand" in decision.reasons[0]


def test_a_champion_without_predictions_cannot_be_compared() -> None:
    decision = decide(RegisterConfig(), SCORES, answers(4), champion(None))
    assert not decision.champion
    assert "its test predictions are not on record" in decision.reasons[0]


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"gate": {"brier": 0.1}}, r"register.gate.brier: expected a metric of evaluate.metrics: accuracy, log_loss"),
        ({"slices": {"sight": {"north": 0.9}}}, r"register.slices.sight: expected a kind of group: site. Received"),
        ({"slices": {"site": {"west": 0.9}}}, r"register.slices.site.west: expected one of north, south. Received"),
    ],
)
def test_a_gate_on_what_there_is_not_is_refused(section: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_section(RegisterConfig.model_validate(section), SCORES, answers(4))
