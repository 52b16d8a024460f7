"""Recipes over several seeds: what one scores, how far a seed moves it, and whether another is better."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from scipy import stats

from pipeline.comparison.correction import holm
from pipeline.comparison.forecast import seeds_needed
from pipeline.comparison.intervals import CONFIDENCE
from pipeline.comparison.paired import Effect, over_seeds, replicates
from pipeline.comparison.resampling import SEED
from pipeline.metrics import Predicted, compute

UNBOUNDED = ("log_loss", "brier", "mae", "rmse")
"""Metrics that may be larger than 1."""

MIN_PAIRS = 2
"""Seeds that two recipes must share to be compared."""


@dataclass(frozen=True)
class Spread:
    """A metric of one recipe over seeds."""

    metric: str
    scores: Mapping[int, float]
    """Seed to its score."""
    examples_error: float
    """Standard error of one score because the test set is finite."""
    mean_error: float
    """The same of the mean over the seeds."""

    @property
    def mean(self) -> float:
        """Mean over the seeds."""
        return float(np.mean(list(self.scores.values())))

    @property
    def deviation(self) -> float:
        """Standard deviation over the seeds; NaN for one."""
        return float(np.std(list(self.scores.values()), ddof=1)) if len(self.scores) > 1 else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of what the recipe scores: over other seeds and other test examples."""
        num_seeds = len(self.scores)
        by_seeds = stats.t.ppf((1 + CONFIDENCE) / 2, num_seeds - 1) * self.deviation / np.sqrt(num_seeds)
        by_examples = stats.norm.ppf((1 + CONFIDENCE) / 2) * self.mean_error
        half = float(np.hypot(by_seeds, by_examples))
        lowest = -math.inf if self.metric == "r2" else 0.0
        highest = math.inf if self.metric in UNBOUNDED else 1.0
        return max(lowest, self.mean - half), min(highest, self.mean + half)

    @property
    def seed_share(self) -> float:
        """Share of the variance of one training's score that is the seed's; the rest is that of the test examples."""
        both = self.deviation**2 + self.examples_error**2
        return self.deviation**2 / both if both else 0.0

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"{self.metric} {self.mean:.4f} [{low:.4f}, {high:.4f}] over {len(self.scores)} seeds, "
            f"from {min(self.scores.values()):.4f} to {max(self.scores.values()):.4f}; standard deviation "
            f"{self.deviation:.4f}; {100 * self.seed_share:.0f} % of the variance of one training is the seed's"
        )


def spread(metric: str, models: Mapping[int, Predicted]) -> Spread:
    """Measures how far the seed moves a metric.

    Args:
        metric: A metric of the task.
        models: Seed to its model's answers, the same examples in the same order; two at least.
    """
    scores = {seed: compute([metric], of)[metric] for seed, of in models.items()}
    resampled = replicates(metric, {str(seed): of for seed, of in models.items()}, seed=SEED)
    errors = np.nanstd(resampled, axis=1, ddof=1)
    return Spread(
        metric,
        scores,
        examples_error=float(np.sqrt(np.mean(errors**2))),
        mean_error=float(np.nanstd(resampled.mean(axis=0), ddof=1)),
    )


def seed_effects(metric: str, recipes: Mapping[str, Mapping[int, float]]) -> list[tuple[Effect, float]]:
    """Compares each pair of recipes over the seeds that both have; p-values are corrected for the number of pairs.

    Args:
        metric: What was scored.
        recipes: Name to the score of each seed.

    Returns:
        For each pair with `MIN_PAIRS` common seeds: the effect, and the seeds that would tell it apart.
    """
    found = []
    for (a, first), (b, second) in combinations(recipes.items(), 2):
        seeds = sorted(first.keys() & second.keys())
        if len(seeds) >= MIN_PAIRS:
            scores = [[side[seed] for seed in seeds] for side in (first, second)]
            each = replace(over_seeds(metric, *scores), first=a, second=b)
            found.append((each, seeds_needed(np.subtract(scores[1], scores[0]))))
    corrected = holm([each.p for each, _ in found])
    return [(replace(each, p=p), needed) for (each, needed), p in zip(found, corrected, strict=True)]
