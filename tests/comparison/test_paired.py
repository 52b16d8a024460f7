"""Two models on the same examples: tests, intervals and their direction."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from pipeline.comparison.correction import holm
from pipeline.comparison.paired import Effect, effect, effects, over_seeds, replicates
from pipeline.comparison.proportions import Discordance, mcnemar, tango
from pipeline.comparison.ranking import rank
from tests.comparison.examples import predicted


def score_by_hand(counts: Discordance, difference: float) -> float:
    """Tango's statistic with the constrained maximum of the likelihood looked for on a grid."""
    n, b, c = counts.num_examples, counts.only_second, counts.only_first
    low = max(0.0, -difference)
    shares = np.linspace(low, (1 - difference) / 2, 2_000_001)[1:-1]
    with np.errstate(divide="ignore"):
        likelihood = (
            b * np.log(shares + difference) + c * np.log(shares) + (n - b - c) * np.log(1 - 2 * shares - difference)
        )
    share = shares[likelihood.argmax()]
    return (b - c - n * difference) / math.sqrt(n * (2 * share + difference - difference**2))


@pytest.mark.parametrize("counts", [Discordance(3, 12, 100), Discordance(9, 4, 345), Discordance(1, 1, 50)])
def test_tango_ends_where_the_score_test_rejects(counts: Discordance) -> None:
    low, high = tango(counts, 0.95)
    assert score_by_hand(counts, low) == pytest.approx(1.96, abs=2e-3)
    assert score_by_hand(counts, high) == pytest.approx(-1.96, abs=2e-3)


def test_models_that_never_differ_may_still_differ() -> None:
    low, high = tango(Discordance(0, 0, 345), 0.95)
    assert -low == high == pytest.approx(1.96**2 / (345 + 1.96**2), rel=1e-3)
    assert mcnemar(Discordance(0, 0, 345)) == 1.0


def test_mcnemar_is_the_binomial_test_of_the_examples_that_differ() -> None:
    counts = Discordance.of(np.array([1, 1, 0, 0, 0, 0, 0, 0]), np.array([1, 0, 1, 1, 1, 1, 1, 0]))
    assert (counts.only_first, counts.only_second, counts.num_examples) == (1, 5, 8)
    assert mcnemar(counts) == pytest.approx(2 * (1 + 6) / 2**6)


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["accuracy", "log_loss", "f1_macro"])
def test_the_better_of_two_is_told_apart_whatever_the_direction_of_the_metric(metric: str) -> None:
    good, bad = predicted("multiclass", 400, seed=1, noise=0.6), predicted("multiclass", 400, seed=2, noise=1.2)
    found = effect(metric, bad, good, seed=0)
    back = effect(metric, good, bad, seed=0)
    assert found.distinguishable
    assert found.value > 0 > back.value
    assert (back.low, back.high) == pytest.approx((-found.high, -found.low))


def test_a_model_is_not_told_apart_from_itself() -> None:
    of = predicted("multiclass")
    for metric in ("accuracy", "log_loss"):
        found = effect(metric, of, of, seed=0)
        assert (found.value, found.p, found.distinguishable) == (0.0, 1.0, False)


def test_means_are_compared_by_the_paired_t_test() -> None:
    first, second = predicted("regression", 300, seed=1), predicted("regression", 300, seed=2)
    losses = [np.abs(of.outputs - of.labels).mean(axis=1) for of in (first, second)]
    found, expected = effect("mae", first, second, seed=0), stats.ttest_rel(*losses)
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval()))


@pytest.mark.slow
def test_the_bootstrap_has_the_error_that_means_have_within_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    models = {name: predicted("multiclass", 300, seed=seed) for name, seed in (("a", 1), ("b", 2))}
    (expected,) = effects("log_loss", models, seed=0)
    monkeypatch.setattr("pipeline.comparison.paired.is_mean", lambda _: False)
    (found,) = effects("log_loss", models, seed=0, num_resamples=20_000)
    assert (expected.test, found.test) == ("paired t-test", "paired bootstrap")
    assert found.standard_error == pytest.approx(expected.standard_error, rel=0.03)
    assert found.value == pytest.approx(expected.value)


@pytest.mark.slow
def test_pairs_of_many_models_are_corrected_for_their_number() -> None:
    models = {name: predicted("multiclass", 200, seed=seed) for seed, name in enumerate("abc")}
    found = effects("log_loss", models, seed=0)
    alone = [effect("log_loss", models[each.first], models[each.second], seed=0).p for each in found]
    assert [(each.first, each.second) for each in found] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert [each.p for each in found] == pytest.approx(holm(alone))


def test_holm_multiplies_the_smallest_most() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]


def test_six_seeds_can_differ_and_five_cannot() -> None:
    first, second = np.full(6, 0.8), 0.8 + np.linspace(0.01, 0.02, 6)
    assert over_seeds("accuracy", first, second).distinguishable
    assert over_seeds("accuracy", first[:5], second[:5]).p == 0.0625
    assert over_seeds("log_loss", first, second).value < 0


def test_the_first_place_is_shared_by_models_that_cannot_be_told_apart() -> None:
    noise = {"good": 0.6, "as good": 0.6, "bad": 1.6}
    models = {
        name: predicted("multiclass", 300, seed=i, noise=level) for i, (name, level) in enumerate(noise.items(), 1)
    }
    places = rank(
        dict.fromkeys(models, 0.0), effects("log_loss", models, seed=0), replicates("log_loss", models, seed=0)
    )
    assert {place.name: (place.best_rank, place.worst_rank) for place in places} == {
        "good": (1, 2),
        "as good": (1, 2),
        "bad": (3, 3),
    }
    assert sum(place.share_first for place in places) == pytest.approx(1)
    assert [place.can_be_first for place in places] == [True, True, False]


def test_an_interval_that_holds_zero_tells_nothing_apart_even_with_a_small_p() -> None:
    found = Effect("accuracy", "a", "b", 0.01, 0.001, 0.02, 0.04, "a test", 100)
    assert found.distinguishable
    assert not replace(found, low=-0.001).distinguishable
