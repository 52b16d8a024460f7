"""Recipes over seeds: spread, shares of the variance, verdicts."""

import numpy as np
import pytest

from pipeline.comparison.seeds import Spread, seed_effects, spread
from pipeline.comparison.verdict import verdict
from pipeline.metrics import METRICS
from tests.comparison.examples import predicted

SCORES = dict(zip(range(8), np.linspace(0.80, 0.87, 8).tolist(), strict=True))


def test_the_mean_and_the_deviation_are_over_seeds() -> None:
    models = {seed: predicted("multiclass", 200, seed=seed) for seed in range(4)}
    found = spread("accuracy", models)
    scores = [METRICS["accuracy"](of) for of in models.values()]
    assert list(found.scores.values()) == scores
    assert found.mean == pytest.approx(np.mean(scores))
    assert found.deviation == pytest.approx(np.std(scores, ddof=1))
    low, high = found.interval
    assert low < min(scores) < max(scores) < high


def test_the_share_of_the_seed_parts_the_variance() -> None:
    """Means of 0.1 and errors of 0.1 in equal parts."""
    found = Spread("accuracy", {0: 0.8, 1: 0.8 + 0.1 * np.sqrt(2)}, examples_error=0.1, mean_error=0.1)
    assert found.seed_share == pytest.approx(0.5)
    assert "50 % of the variance of one training is the seed's" in str(found)


def test_a_seed_that_changes_nothing_has_no_share() -> None:
    of = predicted("multiclass", 200)
    found = spread("accuracy", {0: of, 1: of, 2: of})
    assert (found.deviation, found.seed_share) == (0.0, 0.0)
    low, high = found.interval
    assert high - low == pytest.approx(2 * 1.96 * found.examples_error, rel=0.01)


def test_an_interval_stays_where_the_metric_can_be() -> None:
    sure = Spread("accuracy", {0: 1.0, 1: 0.98}, examples_error=0.01, mean_error=0.01)
    assert sure.interval[1] == 1.0
    lossy = Spread("log_loss", {0: 0.01, 1: 0.2}, examples_error=0.1, mean_error=0.1)
    assert lossy.interval[0] == 0.0
    assert lossy.interval[1] > 1.0


def test_recipes_are_paired_by_seed_and_the_better_one_is_named() -> None:
    better = {seed: score + 0.02 + 0.002 * (seed % 2) for seed, score in SCORES.items()}
    ((found, needed),) = seed_effects("accuracy", {"old": SCORES, "new": {**better, 99: 0.0}})
    assert (found.count, found.distinguishable) == (8, True)
    assert verdict(found, num_seeds=needed) == (
        "new is better than old by 2.1 points of accuracy, 95 % interval 2.0 to 2.2 "
        "(Wilcoxon's test, p = 0.0078, 8 seeds)"
    )


def test_recipes_that_are_alike_say_how_many_seeds_it_would_take() -> None:
    other = {seed: score + (-1) ** seed * 0.01 + 0.002 for seed, score in SCORES.items()}
    ((found, needed),) = seed_effects("accuracy", {"old": SCORES, "new": other})
    assert not found.distinguishable
    said = verdict(found, num_seeds=needed)
    assert said.startswith("old and new are not distinguishable on 8 seeds (new is 0.2 points ahead")
    assert f"you would need about {needed:,.0f} seeds for" in said
    assert needed > 8


def test_recipes_without_common_seeds_are_not_compared() -> None:
    assert seed_effects("accuracy", {"old": SCORES, "new": {100: 0.9, 101: 0.9}}) == []


def test_many_recipes_are_corrected_for_their_number() -> None:
    recipes = {name: {seed: score + shift for seed, score in SCORES.items()} for name, shift in (("a", 0), ("b", 0.1))}
    alone = seed_effects("accuracy", recipes)[0][0].p
    among = seed_effects("accuracy", {**recipes, "c": {seed: score + 0.2 for seed, score in SCORES.items()}})
    assert among[0][0].p == pytest.approx(3 * alone)
