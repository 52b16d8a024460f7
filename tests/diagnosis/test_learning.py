"""The first question: each way of not learning, and what looks like it but is patience's due."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipeline.diagnosis.learning import FirstQuestion, Learning
from pipeline.diagnosis.reference import neighbours_score
from pipeline.diagnosis.schedule import is_judged, is_probed
from pipeline.diagnosis.signals import Column, Epoch, Facts, Signals
from tests.diagnosis.made_up import reading, training

NOTHING = {"score": 0.25, "loss": 1.386}


def ask(signals: Signals) -> Learning:
    return FirstQuestion().ask(signals)


def looks_again(signals: Signals, epoch: int, *, judged: bool = False) -> bool:
    return FirstQuestion().looks_again(signals, epoch, judged=judged)


def with_spreads(signals: Signals, spreads: Sequence[float]) -> Signals:
    readings = [replace(each, spread=spread) for each, spread in zip(signals.readings, spreads, strict=True)]
    return replace(signals, readings=readings)


def test_it_is_too_early_before_the_first_step_and_yes_once_it_gets_what_neighbours_get() -> None:
    assert ask(training([], **NOTHING)).answer == "too early"
    assert ask(training()).answer == "yes"


def test_values_that_are_no_numbers_end_the_question() -> None:
    assert "no numbers" in ask(training(finite=False)).reason
    assert "nan" in ask(training([1.0, float("nan")])).reason


def test_a_layer_without_gradient_is_stuck_only_if_the_output_is_constant() -> None:
    still = {Column.ZERO_GRADIENTS: [1.0, 1.0, 0.0]}
    assert "no gradient reaches 2 of 3" in ask(training([1.386], layers=still, spread=0.0, **NOTHING)).reason
    assert not ask(training([1.386], layers=still, spread=0.3, **NOTHING)).failed


def test_a_constant_output_is_called_unless_it_grows() -> None:
    signals = training([1.386] * 10, **NOTHING)
    assert "varied by 1e-06" in ask(with_spreads(signals, [1e-6] * 4)).reason
    assert not ask(with_spreads(signals, [1e-6, 1e-6, 1e-6, 5e-6])).failed
    assert not ask(with_spreads(signals, [1e-2] * 4)).failed
    assert ask(with_spreads(signals, [1e-14, 1e-14, 1e-14, 1e-8])).failed  # rounding


def test_an_output_that_was_constant_is_looked_at_again_before_it_is_called() -> None:
    signals = with_spreads(training([1.386] * 10, **NOTHING), [1e-6] * 4)
    unseen = replace(signals, readings=signals.readings[:-1])
    assert not ask(unseen).failed
    looked = unseen.last.epoch
    assert [looks_again(unseen, looked + epochs) for epochs in (1, 4, 5, 6)] == [False, False, True, True]
    assert looks_again(unseen, looked + 1, judged=True)
    assert not looks_again(with_spreads(signals, [1e-6, 1e-6, 1e-6, 1e-2]), 50, judged=True)


@pytest.mark.parametrize(
    ("probed", "losses", "score", "failed"),
    [
        ([3.0, 20.0, 20.0, 8.0], [8.0] * 16, 0.25, True),
        ([3.0, 20.0, 8.0], [8.0] * 4, 0.25, False),  # too early in the plan
        ([3.0, 20.0, 20.0, 4.0], [8.0] * 16, 0.25, False),  # hardly worse than before the first step
        ([1.0, 20.0, 20.0, 2.0], [8.0] * 16, 0.25, False),  # hardly worse than a constant answer
        ([3.0, 20.0, 20.0, 8.0], list(np.linspace(20, 8, 16)), 0.25, False),  # its loss falls
        ([3.0, 20.0, 20.0, 8.0], [8.0] * 16, 0.5, False),  # it has begun to learn
        ([3.0, 20.0, 20.0, 8.0], [0.3] * 16, 0.25, False),  # it learns by heart
    ],
)
def test_a_training_that_did_nothing_but_harm_is_given_up_soon(
    probed: list[float], losses: list[float], score: float, failed: bool
) -> None:
    signals = training(losses, logs={"val_accuracy": [score] * len(losses)}, facts={"planned_epochs": 160})
    readings = [replace(each, loss=loss, spread=0.1) for each, loss in zip(signals.readings, probed, strict=True)]
    signals = replace(signals, readings=readings)
    assert ask(signals).failed == failed
    if failed:
        assert "5.8 times that of a constant answer" in ask(signals).reason
        assert looks_again(signals, 24)
        assert not ask(replace(signals, readings=readings[:-1])).failed  # looked at again before it is called


def test_harm_is_not_called_before_the_third_epoch_of_a_short_plan() -> None:
    for num_epochs, failed in ((2, False), (3, True)):
        signals = training([8.0] * num_epochs, facts={"planned_epochs": 20}, score=0.25, loss=8.0)
        readings = [*signals.readings[:1], replace(signals.last, epoch=num_epochs, spread=0.1)]
        signals = replace(signals, readings=[replace(readings[0], loss=3.0), readings[1]])
        assert ask(signals).failed == failed


def test_a_training_that_begins_later_is_looked_at_again_by_its_own_plan() -> None:
    late = with_spreads(training([1.386] * 10, **NOTHING), [1e-6] * 4)
    late = replace(
        late, epochs=[replace(each, epoch=each.epoch + 80) for each in late.epochs], readings=late.readings[:1]
    )
    assert [looks_again(late, epoch) for epoch in (81, 82)] == [False, True]
    for num_epochs, failed in ((1, False), (2, True)):
        readings = [*late.readings, replace(late.last, epoch=80 + num_epochs)]
        assert ask(replace(late, epochs=late.epochs[:num_epochs], readings=readings)).failed == failed


def test_rare_classes_that_are_weighted_are_not_held_to_where_they_began() -> None:
    facts = {"task": "binary", "num_classes": 2, "constant_loss": 0.1, "chance": 0.98, "neighbours": 0.98}
    for now, failed in ((0.35, False), (3.0, True)):
        signals = training([0.8] * 16, facts=facts, score=0.92, loss=now)
        assert (
            ask(replace(signals, readings=[replace(signals.first, loss=0.1), *signals.readings[1:]])).failed == failed
        )


def test_a_training_that_reports_no_loss_is_not_held_to_it() -> None:
    signals = training([1.39] * 40, facts={"neighbours": 0.26}, ended=True, score=0.25, loss=1.39)
    assert ask(signals).failed
    assert not ask(replace(signals, epochs=[replace(each, logs={}) for each in signals.epochs])).failed


def test_where_the_loss_of_a_constant_answer_is_unknown_nothing_counts_as_harm() -> None:
    signals = training([8.0] * 16, facts={"constant_loss": float("nan")}, score=0.25, loss=8.0)
    assert not ask(replace(signals, readings=[replace(signals.first, loss=3.0), *signals.readings[1:]])).failed


def test_growth_of_values_is_not_held_to_rounding() -> None:
    facts = {"task": "values", "label_spread": 1e7, "neighbours": float("nan")}
    assert not ask(with_spreads(training([1e14] * 10, facts=facts), [0.3, 0.3, 0.3, 1.5])).failed


def test_weights_that_cannot_get_anywhere_are_called_early() -> None:
    losses = [1.3860, 1.3859, 1.3858]
    assert "of their size a step" in ask(training(losses, layers={Column.UPDATE: 1e-6}, **NOTHING)).reason
    assert not ask(training(losses, layers={Column.UPDATE: 1e-3}, **NOTHING)).failed
    assert not ask(training([1.386, 1.2, 1.0], layers={Column.UPDATE: 1e-6}, **NOTHING)).failed


@pytest.mark.parametrize(
    ("losses", "scores", "failed"),
    [
        ([1.386] * 35, [0.25] * 35, True),
        ([1.386] * 25, [0.25] * 25, False),  # patience
        ([1.386] * 35, [*[0.25] * 25, *[0.45] * 10], False),  # it has begun to learn
        ([*[1.386] * 25, *[1.3] * 10], [0.25] * 35, False),  # so says the loss
        ([1.0] * 35, [0.7] * 35, False),  # more than half way
    ],
)
def test_standing_still_is_called_after_patience(losses: list[float], scores: list[float], failed: bool) -> None:
    signals = training(losses, logs={"val_accuracy": scores}, **NOTHING)
    assert ask(signals).failed == failed


def test_a_training_that_ended_is_held_to_nearest_neighbours() -> None:
    assert "nearest neighbours get 0.9" in ask(training([0.6] * 20, score=0.7, ended=True)).reason
    assert not ask(training([0.6] * 20, score=0.85, ended=True)).failed
    assert "times that of a constant" in ask(training([0.6] * 20, loss=50.0, ended=True)).reason


@pytest.mark.parametrize(
    ("facts", "losses", "changes", "failed"),
    [
        ({}, [1.39] * 40, {}, True),
        ({}, [1.39] * 4, {}, False),  # too short
        ({}, [1.39] * 40, {"score": 0.4}, False),  # better than chance
        ({}, [1.39] * 40, {"loss": 1.3}, False),  # or than the constant answer's loss, on the probe
        ({}, [1.3] * 40, {}, False),  # and on what it was trained with
        ({}, list(np.linspace(2.0, 1.39, 40)), {}, False),  # it still falls
        ({"chance": float("nan")}, [1.39] * 40, {}, False),  # nothing is known
        ({"task": "labels", "constant_loss": 0.32, "chance": 0.9}, [0.33] * 40, {"score": 0.9, "loss": 0.33}, True),
        ({"task": "labels", "constant_loss": 0.32, "chance": 0.9}, [0.33] * 40, {"score": 0.9, "loss": 0.3}, False),
        # Rare classes that are weighted: worse than a constant answer, better than not knowing.
        ({"constant_loss": 0.1, "chance": 0.98}, [0.6] * 40, {"score": 0.9, "loss": 0.5}, False),
    ],
)
def test_where_neighbours_say_nothing_a_training_is_held_to_the_constant_answer_alone(
    facts: dict[str, Any], losses: list[float], changes: dict[str, float], failed: bool
) -> None:
    known = {**facts, "neighbours": facts.get("chance", 0.25) + 0.01}
    signals = training(losses, facts=known, ended=True, **{"score": 0.25, "loss": 1.39, **changes})
    assert np.isnan(ask(signals).skill)
    assert ask(signals).failed == failed


def test_a_training_that_moved_is_not_too_slow_at_its_end_where_skill_is_unknown() -> None:
    facts = {"task": "labels", "neighbours": float("nan"), "constant_loss": 0.32, "planned_epochs": 10}
    losses = np.linspace(0.32, 0.22, 10)
    for end in range(3, 11):
        signals = training(list(losses[:end]), facts=facts, score=0.9, loss=0.25, ended=end == 10)
        assert not ask(signals).failed, end
    slow = training(list(np.linspace(0.32, 0.31, 10)), facts=facts, layers={Column.UPDATE: 1e-5}, loss=0.31, ended=True)
    assert "of their size a step" in ask(slow).reason


def test_an_answer_that_weighs_rare_classes_is_not_held_to_one_that_never_gives_them() -> None:
    rare = {"constant_loss": 0.008, "chance": 0.999, "neighbours": 0.999}
    assert not ask(training([0.7, 0.6, 0.5, 0.4, 0.3, 0.2], loss=0.2, facts=rare, ended=True)).failed
    assert ask(training([0.7, 0.6, 0.5, 0.4, 0.3, 0.2], loss=20.0, facts=rare, ended=True)).failed


def test_a_training_of_a_few_epochs_is_not_held_to_anything() -> None:
    assert not ask(training([1.0, 0.9], score=0.5, ended=True)).failed
    assert ask(training([1.0] * 5, score=0.5, ended=True)).failed


def test_values_are_constant_by_their_own_size() -> None:
    tiny = training([1e-10] * 10, facts={"task": "values", "label_spread": 1e-5, "neighbours": float("nan")})
    assert not ask(with_spreads(tiny, [8e-6] * 4)).failed
    large = training([1e10] * 10, facts={"task": "values", "label_spread": 1e5, "neighbours": float("nan")})
    assert "varied by" in ask(with_spreads(large, [1.0] * 4)).reason


def test_a_training_that_begins_later_has_its_patience_from_there() -> None:
    late = training([1.386] * 10, **NOTHING)
    late = replace(late, epochs=[replace(each, epoch=each.epoch + 50) for each in late.epochs])
    assert (late.first_epoch, late.planned_epochs, late.progress) == (50, 50, 0.2)
    assert not ask(late).failed


def test_where_the_probe_has_one_class_nothing_is_held_to_a_constant_answer() -> None:
    facts = {"constant_loss": 0.0, "chance": 1.0, "neighbours": 1.0}
    assert not ask(training([0.6] * 20, score=1.0, loss=0.1, facts=facts, ended=True)).failed


@pytest.mark.parametrize(
    ("planned", "probed", "judged"),
    [
        (4, [0, 1, 4], [1, 2, 3]),
        (14, [0, 1, 4, 14], [1, 3, 4, 7, 10]),
        (29, [0, 1, 4, 16, 29], [1, 3, 4, 6, 9, 14, 16, 20]),
        (120, [0, 1, 4, 16, 64, 120], [1, 4, 12, 16, 24, 36, 60, 64, 84]),
    ],
)
def test_a_plan_is_looked_at_ever_more_seldom_and_judged_at_some_tenths(
    planned: int, probed: list[int], judged: list[int]
) -> None:
    assert [epoch for epoch in range(planned + 1) if is_probed(epoch, planned)] == probed
    assert [epoch for epoch in range(1, planned + 1) if is_judged(epoch, planned)] == judged


def test_what_is_asked_at_looks_only_is_known_from_the_last_one() -> None:
    epochs = [Epoch(1, {}, loss_scale=0.5), Epoch(2, {})]
    signals = Signals(Facts(10), epochs=epochs)
    assert signals.latest("loss_scale") == 0.5
    assert np.isnan(signals.latest("memory_share"))


def test_the_fall_of_a_loss_needs_epochs_and_somewhere_to_fall_from() -> None:
    def fall(*losses: float) -> float:
        return Signals(Facts(10), epochs=[Epoch(i, {"loss": loss}) for i, loss in enumerate(losses, 1)]).fall(2)

    assert fall(2, 2, 1, 1) == 0.5
    assert fall(2, 2, 1) == fall(0, 0, 0, 0) == 0
    assert fall(0, 0, 1, 1) == -np.inf


def test_where_the_score_is_only_probed_nothing_is_said_between_the_looks() -> None:
    signals = training([1.0] * 16, facts={"task": "values", "planned_epochs": 20}, score=0.0)
    assert FirstQuestion().ask(signals).failed
    between = replace(signals, epochs=[*signals.epochs, Epoch(17, {"loss": 1.0})])
    assert FirstQuestion().ask(between).answer == "too early"


def test_nearest_neighbours_find_clusters_and_nothing_in_noise() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(200) % 4
    clusters = rng.normal(size=(200, 3)) + 10 * np.eye(4)[labels][:, :3]
    assert neighbours_score(clusters, labels, classes=True) > 0.99
    assert neighbours_score(rng.normal(size=(200, 3)), labels, classes=True) < 0.4
    values = clusters[:, :1] * 2
    assert neighbours_score(clusters, values, classes=False) > 0.9


def test_signals_until_an_epoch_are_those_known_then() -> None:
    signals = training([1.0] * 20, ended=True)
    assert [each.epoch for each in signals.until(5).readings] == [0, 1, 4]
    assert (signals.until(5).epoch, signals.until(5).ended) == (5, False)
    assert signals.until(20).ended
    assert reading(3).epoch == 3
