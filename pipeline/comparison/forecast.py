"""How many test examples or seeds it would take to tell two models apart."""

import math

import numpy as np
from scipy import stats

from pipeline.comparison.paired import LEVEL, Effect
from pipeline.comparison.proportions import Discordance

POWER = 0.8
"""Share of the repetitions in which so many examples or seeds suffice."""

MIN_SEEDS = 6
"""Fewer cannot reach the level in a signed-rank test."""

MAX_SEEDS = 1000


def examples_needed(effect: Effect) -> float:
    """Forecasts the test examples that would tell a difference apart if it is as large as it was seen.

    Args:
        effect: A difference of a metric, with its interval.

    Returns:
        Examples; infinite where no difference was seen.
    """
    if not effect.value:
        return math.inf
    return effect.count * (_distance() * effect.standard_error / effect.value) ** 2


def examples_needed_by_mcnemar(counts: Discordance) -> float:
    """The same for two models that are right or wrong, under McNemar's exact test.

    The sample size of Connor 1987 ("Sample Size for Testing Differences in Proportions for the Paired-Sample Design"),
    and one half of an example more a side for the steps of the exact test (Fleiss' continuity correction).

    Args:
        counts: How the two disagree; only its shares count.
    """
    share, difference = counts.share, abs(counts.difference)
    if not difference:
        return math.inf
    level, power = stats.norm.ppf([1 - LEVEL / 2, POWER])
    asymptotic = (level * math.sqrt(share) + power * math.sqrt(share - difference**2)) ** 2 / difference**2
    return float(asymptotic / 4 * (1 + math.sqrt(1 + 4 / (asymptotic * difference))) ** 2)


def seeds_needed(differences: np.ndarray) -> float:
    """Forecasts the seeds that would tell two recipes apart, by the power of a paired t-test.

    Args:
        differences: Scores of the second less those of the first on some seeds, two at least.

    Returns:
        Pairs of trainings; infinite where more than `MAX_SEEDS` would be needed.
    """
    size = abs(float(differences.mean())) / max(float(differences.std(ddof=1)), 1e-12)
    seeds = np.arange(MIN_SEEDS, MAX_SEEDS + 1)
    critical = stats.t.ppf(1 - LEVEL / 2, seeds - 1)
    enough = seeds[stats.nct.sf(critical, seeds - 1, size * np.sqrt(seeds)) >= POWER]
    return float(enough[0]) if len(enough) else math.inf


def _distance() -> float:
    """Standard errors that a difference must be from 0."""
    return float(sum(stats.norm.ppf([1 - LEVEL / 2, POWER])))
