"""Rule: frozen weights."""

from collections.abc import Iterator

import numpy as np

from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.learning import Learning
from pipeline.diagnosis.remedies import DEFAULT_ADAM, rate
from pipeline.diagnosis.rules.rule import Rule, if_failed
from pipeline.diagnosis.signals import Column, Signals


class FrozenWeights(Rule):
    """Steps are so small that the weights end about where they began: the learning rate is too low."""

    symptom = "frozen_weights"
    source = "Karpathy, CS231n: updates of about 1e-3 of the weights a step"
    shows = Column.UPDATE
    remedies = (DEFAULT_ADAM,)

    min_change: float = 1e-4
    """Norm of the update relative to the weights, a step; a tenth of the rule of thumb."""

    def findings(self, signals: Signals, learning: Learning) -> Iterator[Finding]:
        """Looks at the largest update of any trainable layer early on; updates shrink where a network has learnt."""
        early = signals.early(max(5, signals.planned_epochs // 10))
        trainable = np.array([layer.trainable for layer in signals.facts.layers], bool)
        if not early or not trainable.any():
            return
        pace = max(float(np.nan_to_num(reading.layers[trainable, Column.UPDATE], nan=1.0).max()) for reading in early)
        gradient = signals.first.layers[trainable, Column.GRADIENT]
        if pace >= self.min_change or not gradient.max() > 0:
            return
        yield self.finding(
            signals,
            if_failed(learning),
            f"The weights change by at most {pace:.1g} of their size a step: the learning rate "
            f"{signals.facts.learning_rate:g} is too low.",
            evidence={"change a step": pace, "learning rate": signals.facts.learning_rate},
            remedies=(rate(signals.facts, 100), DEFAULT_ADAM, rate(signals.facts, 10)),
            confidence=0.95,
        )
