"""Rule: overfitting."""

import math
from collections.abc import Iterator

import numpy as np

from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.learning import Learning
from pipeline.diagnosis.remedies import DROPOUT, EARLY_STOPPING, WEIGHT_DECAY
from pipeline.diagnosis.rules.rule import Rule
from pipeline.diagnosis.signals import Signals


class Overfitting(Rule):
    """The network learns the training examples by heart: it gets better on them and worse on others."""

    symptom = "overfitting"
    source = "Prechelt 1998, Early Stopping: But When? (generalisation loss)"
    shows = "loss"
    remedies = (EARLY_STOPPING, DROPOUT, WEIGHT_DECAY)

    max_rise: float = 0.3
    """Validation loss relative to its lowest value, less 1 (Prechelt's generalisation loss)."""
    max_skill: float = 0.65
    """Validation score, between chance (0) and nearest neighbours (1), below which it does harm."""
    min_gap: float = 0.15
    """Training accuracy less validation accuracy, for it to do harm."""

    def findings(self, signals: Signals, learning: Learning) -> Iterator[Finding]:
        """Compares the validation loss with its best; says since when it rises."""
        losses, values = signals.losses, signals.val_losses
        if len(values) < 5 or not np.isfinite(values).all():
            return
        best = int(values.argmin())
        rise = float(values[-3:].mean() / max(values[best], 1e-12) - 1)
        gap, skill = self._gap(signals)
        harmed = signals.ended and gap >= self.min_gap and skill < self.max_skill
        risen = rise >= self.max_rise and losses[-1] < losses[best]
        if not harmed and not risen:
            return
        words = f"the validation loss has risen by {rise:.0%} since epoch {best + 1}, while the training loss fell on"
        yield self.finding(
            signals,
            "warning" if harmed else "note",
            f"Training accuracy is {gap:.1%} above validation accuracy" + (f": {words}." if risen else "."),
            since=best + 1 if risen else None,
            evidence={"rise": rise, "best epoch": best + 1, "gap in accuracy": gap, "skill": skill},
            confidence=0.9,
        )

    def _gap(self, signals: Signals) -> tuple[float, float]:
        """Training less validation accuracy, and the skill of the latter; NaN where they are unknown."""
        facts, name = signals.facts, signals.accuracy_name
        training, validation = signals.recent(name), signals.recent(f"val_{name}")
        margin = facts.neighbours - facts.chance
        return training - validation, (validation - facts.chance) / margin if margin > 0 else math.nan
