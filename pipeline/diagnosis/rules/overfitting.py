"""Rule: overfitting."""

import math
from collections.abc import Iterator
from dataclasses import replace

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
    """Training accuracy less validation accuracy, for it to do harm; for values without one, validation less training
    loss, relative to that of a constant answer (of squared errors: training R² less validation R²)."""

    def findings(self, signals: Signals, learning: Learning) -> Iterator[Finding]:
        """Compares the validation loss with its best, over the epochs that have one; says since when it rises."""
        validated = replace(signals, epochs=[epoch for epoch in signals.epochs if "val_loss" in epoch.logs])
        losses, values = validated.losses, validated.val_losses
        if len(values) < 5 or not np.isfinite(values).all() or signals.is_loss_broken:
            return
        best = int(values.argmin())
        epoch = validated.epochs[best].epoch
        # A loss at or below 0 has no such ratio.
        rise = float(values[-3:].mean() / values[best] - 1) if values[best] > 0 else math.nan
        risen = rise >= self.max_rise and losses[-1] < losses[best]
        of = "accuracy" if validated.accuracy_name else "loss"
        gap, skill = self._gap(validated) if of == "accuracy" else (self._gap_of_losses(validated), learning.skill)
        harmed = signals.ended and gap >= self.min_gap and skill < self.max_skill and (risen or of == "accuracy")
        if not harmed and not risen:
            return
        said = {
            f"training accuracy is {gap:.1%} above validation accuracy": of == "accuracy" and math.isfinite(gap),
            f"the validation loss has risen by {rise:.0%} since epoch {epoch}, while the training loss fell on": risen,
        }
        words = ": ".join(text for text, holds in said.items() if holds)
        evidence = {"rise": rise, "best epoch": epoch, f"gap in {of}": gap, "skill": skill}
        yield self.finding(
            signals,
            "warning" if harmed else "note",
            f"{words[0].upper()}{words[1:]}.",
            since=epoch - signals.first_epoch if risen else None,
            evidence={name: value for name, value in evidence.items() if math.isfinite(value)},
            confidence=0.9,
        )

    def _gap_of_losses(self, signals: Signals) -> float:
        """Validation less training loss of values, relative to that of a constant answer; NaN for other tasks."""
        facts = signals.facts
        gap = signals.recent("val_loss") - signals.recent("loss")
        return gap / facts.constant_loss if facts.task == "values" and facts.constant_loss > 0 else math.nan

    def _gap(self, signals: Signals) -> tuple[float, float]:
        """Training less validation accuracy, and the skill of the latter; NaN where they are unknown."""
        facts, name = signals.facts, signals.accuracy_name
        training, validation = signals.recent(name), signals.recent(f"val_{name}")
        margin = facts.neighbours - facts.chance
        return training - validation, (validation - facts.chance) / margin if margin > 0 else math.nan
