"""Many models in order of a metric, with how sure the order is: which of them can be first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.comparison.paired import Effect


@dataclass(frozen=True)
class Place:
    """Where a model stands."""

    name: str
    score: float
    best_rank: int
    """1, and one more for each model that is distinguishably better."""
    worst_rank: int
    """The number of models, and one less for each that is distinguishably worse."""
    share_first: float
    """Share of the resampled test sets on which it is the best; ties are shared."""

    @property
    def can_be_first(self) -> bool:
        """Whether no model is distinguishably better."""
        return self.best_rank == 1


def rank(scores: Mapping[str, float], effects: Sequence[Effect], resampled: np.ndarray) -> list[Place]:
    """Orders models from the best on.

    The ranks hold all at once at the level of the corrected tests (Mogstad, Romano, Shaikh and Wilhelm 2024, "Inference
    for Ranks").

    Args:
        scores: Model to its metric.
        effects: Each pair of models, p-values corrected for their number.
        resampled: What `paired.replicates` gave for these models in this order: (num_models, num_resamples).
    """
    better = dict.fromkeys(scores, 0)
    worse = dict.fromkeys(scores, 0)
    for each in effects:
        if each.distinguishable:
            winner, loser = (each.second, each.first) if each.value > 0 else (each.first, each.second)
            better[loser] += 1
            worse[winner] += 1
    first = resampled == resampled.max(axis=0)
    shares = (first / first.sum(axis=0)).mean(axis=1)
    places = [
        Place(name, score, 1 + better[name], len(scores) - worse[name], float(share))
        for (name, score), share in zip(scores.items(), shares, strict=True)
    ]
    return sorted(places, key=lambda place: (place.best_rank, -place.share_first))
