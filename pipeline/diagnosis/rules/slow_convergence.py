"""Rule: slow convergence."""

from collections.abc import Iterator

import numpy as np

from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.learning import Learning
from pipeline.diagnosis.remedies import DEFAULT_ADAM, more_epochs, rate
from pipeline.diagnosis.rules.rule import Rule
from pipeline.diagnosis.signals import Column, Signals


class SlowConvergence(Rule):
    """The loss still falls when the plan ends: steps too small, or too few of them."""

    symptom = "slow_convergence"
    source = "ours; Goodfellow et al. 2016, section 11.4.1 on the learning rate"
    shows = "loss"
    remedies = (DEFAULT_ADAM,)

    window: float = 0.2
    """Last share of the epochs, whose halves are compared."""
    min_fall: float = 0.01
    """Relative fall of the mean training loss from the one half to the other."""
    min_change: float = 1e-4
    """Change of the weights a step, relative to them, below which steps are too small (Karpathy, CS231n: 1e-3)."""

    def findings(self, signals: Signals, learning: Learning) -> Iterator[Finding]:
        """Compares late epochs with those just before."""
        if not learning.failed or not signals.last.finite:
            return
        fall = signals.fall(max(2, int(len(signals.losses) * self.window / 2)))
        pace = float(np.nan_to_num(signals.column(Column.UPDATE)[1:4], nan=1.0).max(initial=0.0))
        slow = len(signals.readings) > 1 and 0 < pace < self.min_change
        facts = signals.facts
        falls = fall > self.min_fall
        if not slow and not (signals.epoch >= facts.planned_epochs and falls):
            return
        words = (
            f"The loss still falls, by {fall:.1%} over the last epochs"
            if falls
            else f"The first steps changed the weights by at most {pace:.1g} of their size each"
        )
        yield self.finding(
            signals,
            "warning",
            f"{words}: it will not get there within the plan.",
            evidence={"fall": fall, "change of weights a step": pace},
            remedies=(rate(facts, 10), DEFAULT_ADAM, rate(facts, 100), more_epochs(facts)),
            confidence=0.8,
        )
