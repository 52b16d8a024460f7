"""Shares of trainings with their intervals, several trainings of one case being no independent evidence."""

import math
from collections.abc import Sequence

import numpy as np

from pipeline.comparison.intervals import CONFIDENCE, wilson
from pipeline.comparison.resampling import SEED, resample


def share(hits: Sequence[bool], cases: Sequence[str]) -> str:
    """Writes a share with its 95 % interval: `.977 [.934, .992] 127/130`.

    Cases are resampled rather than trainings; where all trainings are alike, resampling tells nothing, and Wilson's
    interval of the number of cases is taken.

    Args:
        hits: One a training.
        cases: The case of each training.
    """
    if not hits:
        return "-"
    low, high = interval(hits, cases)
    return f"{sum(hits) / len(hits):.3f} [{low:.3f}, {high:.3f}] {sum(hits)}/{len(hits)}"


def interval(hits: Sequence[bool], cases: Sequence[str]) -> tuple[float, float]:
    """The 95 % interval of a share of trainings, by cases."""
    names, members = np.unique(cases, return_inverse=True)
    if all(hits) or not any(hits):
        return wilson(len(names) if hits[0] else 0, len(names))
    right = np.bincount(members, np.array(hits, float))
    total = np.bincount(members).astype(float)
    drawn = resample([lambda weights: right @ weights / (total @ weights)], np.zeros(len(names), int), seed=SEED)
    low, high = np.quantile(drawn[0], [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def median(values: Sequence[float]) -> float:
    """The median; NaN of nothing."""
    return float(np.median(values)) if len(values) else math.nan
