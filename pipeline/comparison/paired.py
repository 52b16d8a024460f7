"""Two models on the same test examples, or two recipes on the same seeds: the effect, its interval and a test."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np
from scipy import stats

from pipeline.comparison.correction import holm
from pipeline.comparison.intervals import CONFIDENCE, half_width, strata_of
from pipeline.comparison.proportions import Discordance, mcnemar, tango
from pipeline.comparison.resampling import NUM_RESAMPLES, percentiles, resample
from pipeline.comparison.weighted import hits, is_mean, per_example, weighted
from pipeline.metrics import Predicted, compute
from pipeline.recipe.evaluate import LOWER_IS_BETTER

LEVEL = 1 - CONFIDENCE
"""Largest p-value, corrected for the number of tests, that tells two models apart."""


@dataclass(frozen=True)
class Effect:
    """How much better the second is than the first; below 0: worse."""

    metric: str
    first: str
    second: str
    value: float
    """In units of the metric, the sign turned for losses and errors."""
    low: float
    high: float
    p: float
    """Two-sided; corrected where several pairs were tested."""
    test: str
    count: int
    """How many `unit` were compared."""
    unit: Literal["examples", "seeds"] = "examples"

    @property
    def distinguishable(self) -> bool:
        """Whether the two can be told apart: by the test and by the interval."""
        return self.p <= LEVEL and not self.low <= 0 <= self.high

    @property
    def standard_error(self) -> float:
        """Of the value, from the width of the interval."""
        return (self.high - self.low) / (2 * float(stats.norm.ppf((1 + CONFIDENCE) / 2)))


def effect(metric: str, first: Predicted, second: Predicted, *, seed: int) -> Effect:
    """Compares two models that answered the same examples; see `effects`."""
    return effects(metric, {"first": first, "second": second}, seed=seed)[0]


def effects(
    metric: str, models: Mapping[str, Predicted], *, seed: int, num_resamples: int = NUM_RESAMPLES
) -> list[Effect]:
    """Compares each pair of models that answered the same examples; p-values are corrected for the number of pairs.

    Shares of examples are compared by McNemar's exact test with Tango's interval, other means over examples (losses,
    absolute errors) by the paired t-test within classes. All else gets the paired bootstrap, of the
    difference on resamples that both are computed on: its percentiles are the interval, the only one of those tried
    (also Student's t, basic and BCa) that holds for all metrics; its standard deviation gives the p-value, by Student's
    t, which tells equal models apart less often than the percentiles do (`benchmarks/comparison.py`).

    Args:
        metric: A metric of their task.
        models: Name to labels and outputs, the same examples in the same order.
        seed: Of the resamples.
        num_resamples: How many.

    Returns:
        An effect for each pair, in the order of the names.
    """
    rights = {name: values for name, of in models.items() if (values := hits(metric, of)) is not None}
    if len(rights) == len(models):
        found = [_of_shares(metric, (a, rights[a]), (b, rights[b])) for a, b in combinations(models, 2)]
    elif is_mean(metric):
        found = _of_means(metric, models)
    else:
        found = _of_resamples(metric, models, replicates(metric, models, seed=seed, num_resamples=num_resamples))
    return [replace(each, p=corrected) for each, corrected in zip(found, holm([each.p for each in found]), strict=True)]


def replicates(
    metric: str, models: Mapping[str, Predicted], *, seed: int, num_resamples: int = NUM_RESAMPLES
) -> np.ndarray:
    """Computes a metric of several models on the same resamples, the sign turned for losses and errors.

    Returns:
        (num_models, num_resamples); higher is better.
    """
    strata = strata_of(next(iter(models.values())))
    statistics = [weighted(metric, of) for of in models.values()]
    return _sign(metric) * resample(statistics, strata, seed=seed, num_resamples=num_resamples)


def over_seeds(metric: str, first: Sequence[float], second: Sequence[float]) -> Effect:
    """Compares two recipes by their scores on the same seeds: Wilcoxon's signed-rank test, Student's t interval.

    Five seeds cannot reach a p-value of 0.05 in this test, whatever the scores; six can.

    Args:
        metric: What was scored.
        first: A score for each seed.
        second: The same seeds, in the same order.
    """
    differences = _sign(metric) * (np.asarray(second, float) - np.asarray(first, float))
    num_seeds, mean = len(differences), float(differences.mean())
    half = half_width(differences)
    p = float(stats.wilcoxon(differences, method="exact" if num_seeds < 50 else "auto").pvalue) if mean else 1.0
    return Effect(metric, "first", "second", mean, mean - half, mean + half, p, "Wilcoxon's test", num_seeds, "seeds")


def _sign(metric: str) -> int:
    return -1 if metric in LOWER_IS_BETTER else 1


def _of_shares(metric: str, first: tuple[str, np.ndarray], second: tuple[str, np.ndarray]) -> Effect:
    counts = Discordance.of(first[1], second[1])
    low, high = tango(counts, CONFIDENCE)
    p = mcnemar(counts)
    return Effect(
        metric, first[0], second[0], counts.difference, low, high, p, "McNemar's exact test", counts.num_examples
    )


def _of_means(metric: str, models: Mapping[str, Predicted]) -> list[Effect]:
    strata = strata_of(next(iter(models.values())))
    values = {name: _sign(metric) * per_example(metric, of) for name, of in models.items()}
    found = []
    for a, b in combinations(models, 2):
        differences = values[b] - values[a]
        error = _stratified_error(differences, strata)
        found.append(_by_t(metric, (a, b), float(differences.mean()), error, "paired t-test", len(strata)))
    return found


def _stratified_error(values: np.ndarray, strata: np.ndarray) -> float:
    """Standard error of the mean where each stratum keeps its size; one of a single example adds nothing."""
    members = [values[strata == stratum] for stratum in np.unique(strata)]
    return math.sqrt(sum(len(each) * each.var(ddof=1) for each in members if len(each) > 1)) / len(values)


def _of_resamples(metric: str, models: Mapping[str, Predicted], resampled: np.ndarray) -> list[Effect]:
    scores = [_sign(metric) * compute([metric], of)[metric] for of in models.values()]
    num_examples = len(next(iter(models.values())).labels)
    found = []
    for (i, a), (j, b) in combinations(enumerate(models), 2):
        draws = resampled[j] - resampled[i]
        draws = draws[np.isfinite(draws)]
        low, high = percentiles(draws, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
        p = _p_by_t(scores[j] - scores[i], float(draws.std(ddof=1)), num_examples)
        found.append(Effect(metric, a, b, scores[j] - scores[i], low, high, p, "paired bootstrap", num_examples))
    return found


def _by_t(metric: str, pair: tuple[str, str], value: float, error: float, test: str, num_examples: int) -> Effect:
    """The effect of a difference with a standard error."""
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, num_examples - 1)) * error
    p = _p_by_t(value, error, num_examples)
    return Effect(metric, *pair, value, value - half, value + half, p, test, num_examples)


def _p_by_t(value: float, error: float, num_examples: int) -> float:
    return 2 * float(stats.t.sf(abs(value) / error, num_examples - 1)) if error else 1.0
