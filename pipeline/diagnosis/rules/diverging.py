"""Rule: diverging."""

from collections.abc import Iterator

import numpy as np

from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.learning import Learning
from pipeline.diagnosis.remedies import CLIP, DEFAULT_ADAM, rate
from pipeline.diagnosis.rules.rule import Rule, if_failed
from pipeline.diagnosis.signals import Signals


class Diverging(Rule):
    """The training loss grows instead of falling: each step makes things worse."""

    symptom = "diverging"
    source = "Bengio 2012, https://arxiv.org/abs/1206.5533, section 3.1.1"
    shows = "loss"
    remedies = (DEFAULT_ADAM, CLIP)

    max_rise: float = 1.5
    """Recent training loss relative to the lowest one."""

    def findings(self, signals: Signals, learning: Learning) -> Iterator[Finding]:
        """Compares the last three epochs with the best one; a loss below 0 has no such ratio."""
        losses = signals.losses
        if len(losses) < 5 or not np.isfinite(losses).all():
            return
        recent, best = float(losses[-3:].mean()), float(losses.min())
        if best <= 0 or recent <= self.max_rise * best or recent <= signals.facts.constant_loss:
            return
        yield self.finding(
            signals,
            if_failed(learning),
            f"The training loss has grown from {best:.3g} to {recent:.3g}.",
            evidence={"recent": recent, "best": best},
            remedies=(DEFAULT_ADAM, rate(signals.facts, 0.1), CLIP),
            confidence=0.8,
        )
