"""The 95 % interval of every metric of one model: how far the figure may be off because the test set is finite."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from pipeline.comparison.resampling import NUM_RESAMPLES, Statistic, percentiles, resample
from pipeline.comparison.weighted import hits, weighted
from pipeline.metrics import Predicted, compute

CONFIDENCE = 0.95
NUM_JACKKNIFE_GROUPS = 200
"""Groups of examples left out in turn for the acceleration of BCa: as good as one by one, and bounded in cost."""


@dataclass(frozen=True)
class Estimate:
    """A metric with its interval."""

    value: float
    low: float
    """NaN, as `high`: the examples do not tell, as where none was wrong."""
    high: float

    @property
    def standard_error(self) -> float:
        """From the width of the interval; NaN where there is none."""
        return (self.high - self.low) / (2 * float(stats.norm.ppf((1 + CONFIDENCE) / 2)))

    def __str__(self) -> str:
        if math.isnan(self.low):
            return f"{self.value:.4f}"
        return f"{self.value:.4f} [{self.low:.4f}, {self.high:.4f}]"


def estimates(
    names: Iterable[str], of: Predicted, *, seed: int, num_resamples: int = NUM_RESAMPLES
) -> dict[str, Estimate]:
    """Computes metrics with their intervals.

    Shares of examples (accuracy, top-k accuracy) get Wilson's score interval, which holds where few answers are wrong
    too (Brown, Cai and DasGupta 2001, "Interval Estimation for a Binomial Proportion"). All other metrics get the BCa
    bootstrap (Efron 1987, "Better Bootstrap Confidence Intervals") over examples, within classes. The calibration error
    is too large on any finite test set, and on a resample of it once more; its interval is moved by that.

    Args:
        names: Metrics of the task.
        of: Labels and outputs of the test examples.
        seed: Of the resamples.
        num_resamples: How many.
    """
    values = compute(names, of)
    found = {name: _share(value, hits(name, of)) for name, value in values.items()}
    rest = [name for name, estimate in found.items() if estimate is None]
    statistics = [weighted(name, of) for name in rest]
    strata = strata_of(of)
    if rest:
        resampled = resample(statistics, strata, seed=seed, num_resamples=num_resamples)
        for name, statistic, draws in zip(rest, statistics, resampled, strict=True):
            if name == "calibration_error":
                found[name] = _without_bias(values[name], draws)
            else:
                found[name] = _bca(values[name], draws, jackknife(statistic, strata))
    return {name: estimate for name, estimate in found.items() if estimate is not None}


def strata_of(of: Predicted) -> np.ndarray:
    """Class of each example, which a resample keeps the size of; one stratum for values and sets of labels."""
    return of.labels if of.task in ("binary", "multiclass") else np.zeros(len(of.labels), int)


def wilson(num_hits: int, num_examples: int) -> tuple[float, float]:
    """Interval of a share of examples (Wilson 1927)."""
    found = stats.binomtest(num_hits, num_examples).proportion_ci(CONFIDENCE, method="wilson")
    return float(found.low), float(found.high)


def _share(value: float, right: np.ndarray | None) -> Estimate | None:
    """The estimate of a metric that is a share of the examples; None for any other."""
    return None if right is None else Estimate(value, *wilson(int(right.sum()), len(right)))


def jackknife(statistic: Statistic, strata: np.ndarray) -> np.ndarray:
    """Computes a figure with each group of examples left out; the groups have the shares of the strata."""
    order = np.argsort(strata, kind="stable")
    num_groups = min(NUM_JACKKNIFE_GROUPS, len(strata))
    groups = np.empty(len(strata), int)
    groups[order] = np.arange(len(strata)) % num_groups
    return statistic((groups[:, None] != np.arange(num_groups)).astype(float))


def _bca(value: float, draws: np.ndarray, left_out: np.ndarray) -> Estimate:
    """Bias-corrected and accelerated percentiles of the resampled figures."""
    draws = draws[np.isfinite(draws)]
    if not math.isfinite(value) or not len(draws) or np.ptp(draws) == 0:
        return Estimate(value, math.nan, math.nan)
    below = np.mean(draws < value) + np.mean(draws == value) / 2
    shift = stats.norm.ppf(np.clip(below, 1 / len(draws), 1 - 1 / len(draws)))
    away = np.nanmean(left_out) - left_out[np.isfinite(left_out)]
    spread = (away**2).sum()
    acceleration = (away**3).sum() / (6 * spread**1.5) if spread else 0.0
    tails = shift + stats.norm.ppf([(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Estimate(value, *percentiles(draws, stats.norm.cdf(shift + tails / (1 - acceleration * tails))))


def _without_bias(value: float, draws: np.ndarray) -> Estimate:
    """Percentiles of a figure that noise enlarges: from twice the bias below to once, as little as that is known."""
    bias = max(0.0, float(draws.mean()) - value)
    low, high = percentiles(draws, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Estimate(value, max(0.0, low - 2 * bias), max(value, high - bias))


def half_width(values: Sequence[float] | np.ndarray) -> float:
    """Half the width of Student's t interval of a mean; infinite for fewer than two values."""
    if len(values) < 2:
        return math.inf
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * stats.sem(values))
