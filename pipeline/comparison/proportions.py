"""Two models on the same examples, right or wrong: McNemar's exact test and Tango's interval."""

import math
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats


@dataclass(frozen=True)
class Discordance:
    """How two models disagree in being right."""

    only_first: int
    """Examples that only the first has right."""
    only_second: int
    num_examples: int

    @classmethod
    def of(cls, first: np.ndarray, second: np.ndarray) -> "Discordance":
        """Counts, from whether each model is right: bool or 0/1 (num_examples,)."""
        first, second = first.astype(bool), second.astype(bool)
        return cls(int((first & ~second).sum()), int((second & ~first).sum()), len(first))

    @property
    def difference(self) -> float:
        """Share that the second has right, less that of the first."""
        return (self.only_second - self.only_first) / self.num_examples

    @property
    def share(self) -> float:
        """Share of the examples that one of the two alone has right."""
        return (self.only_second + self.only_first) / self.num_examples


def mcnemar(counts: Discordance) -> float:
    """Tests that both are right equally often, exactly (McNemar 1947): p-value, two-sided."""
    differing = counts.only_first + counts.only_second
    return float(stats.binomtest(counts.only_second, differing).pvalue) if differing else 1.0


def tango(counts: Discordance, confidence: float) -> tuple[float, float]:
    """Interval of the difference of two paired shares: the differences that a score test does not reject.

    It holds where few examples differ or none, which a bootstrap takes for certainty (Tango 1998, "Equivalence Test and
    Confidence Interval for the Difference in Proportions for the Paired-Sample Design").

    Args:
        counts: How the two disagree.
        confidence: Such as 0.95.
    """
    bound = float(stats.norm.ppf((1 + confidence) / 2))

    def end(sign: int) -> float:
        edge = sign * (1 - 1e-9)
        if (_score(counts, edge) + sign * bound) * sign > 0:
            return float(sign)
        return float(optimize.brentq(lambda value: _score(counts, value) + sign * bound, counts.difference, edge))

    return end(-1), end(1)


def _score(counts: Discordance, difference: float) -> float:
    """Tango's statistic at a supposed difference: falls from large to small as that grows; 0 at the one seen."""
    n, b, c = counts.num_examples, counts.only_second, counts.only_first
    linear = (2 * n - b + c) * difference - b - c
    constant = -c * difference * (1 - difference) * 2 * n
    share = (math.sqrt(max(0.0, linear**2 - 4 * constant)) - linear) / (4 * n) if n else 0.0
    variance = n * (2 * share + difference * (1 - difference))
    excess = b - c - n * difference
    return excess / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, excess) if excess else 0.0
