"""Rule: stuck in a poor optimum."""

from collections.abc import Iterator

import numpy as np

from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.learning import Learning
from pipeline.diagnosis.remedies import BATCH_NORM, OTHER_SEED, WARMUP
from pipeline.diagnosis.rules.rule import Rule
from pipeline.diagnosis.signals import Signals


class PoorOptimum(Rule):
    """The same training with other seeds ends far better: this one got stuck where it happened to begin.

    One training alone cannot tell a poor optimum from a hard task; several seeds can (`plumbline run --seeds`).
    """

    symptom = "poor_optimum"
    source = "Choromanska et al. 2015, https://arxiv.org/abs/1412.0233: in large networks local optima are alike"
    shows = "loss"
    remedies = (OTHER_SEED, WARMUP, BATCH_NORM)

    min_loss: float = 0.2
    """Skill lost to the median of the other seeds; skill is 0 at chance and 1 at nearest neighbours."""
    max_spread: float = 0.25
    """How far the better half of the others may lie apart, relative to that loss: where all differ, none is stuck."""
    min_siblings: int = 2
    """Other seeds."""

    def findings(self, signals: Signals, learning: Learning) -> Iterator[Finding]:
        """Compares the skill of a training that ended with those of its siblings."""
        others = np.array([skill for skill in signals.siblings if np.isfinite(skill)])
        if len(others) < self.min_siblings or not signals.ended or not np.isfinite(learning.skill):
            return
        median = float(np.median(others))
        lost = median - learning.skill
        if lost < self.min_loss or others.max() - median > self.max_spread * lost:
            return
        yield self.finding(
            signals,
            "warning",
            f"This seed came {learning.skill:.0%} of the way from chance to nearest neighbours, {len(others)} others "
            f"{median:.0%} (median): it is stuck in a poor optimum.",
            evidence={
                "skill": learning.skill,
                "median of the others": median,
                "best of the others": float(others.max()),
            },
            confidence=0.8,
        )
