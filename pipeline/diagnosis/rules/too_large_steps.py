"""Rule: too large steps."""

from collections.abc import Iterator

import numpy as np

from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.learning import Learning
from pipeline.diagnosis.remedies import DEFAULT_ADAM, rate
from pipeline.diagnosis.rules.rule import Rule, if_failed
from pipeline.diagnosis.signals import Column, Signals

ADAPTIVE = ("Adam", "AdamW", "Nadam", "Adamax", "RMSprop", "Lion")
"""Optimisers whose step does not grow with the gradient, so that the rate alone says how large it is."""


class TooLargeSteps(Rule):
    """Each step changes the weights so much that what was learnt before is lost: the learning rate is too high.

    The loss jumps about, or all units are thrown to where they have no gradient.
    """

    symptom = "too_large_steps"
    source = "Bengio 2012, https://arxiv.org/abs/1206.5533; Karpathy, CS231n (update ratio)"
    shows = Column.UPDATE
    remedies = (DEFAULT_ADAM,)

    max_change: float = 0.03
    """Mean change of a layer's weights a step over the first epochs, relative to them."""
    max_adaptive_rate: float = 0.1
    """Learning rate of Adam and its kin; 0.001 is usual."""
    max_rate: float = 1.0
    """Learning rate of gradient descent, divided by 1 − momentum."""

    def findings(self, signals: Signals, learning: Learning) -> Iterator[Finding]:
        """Looks at the learning rate, and at how far the weights moved."""
        facts = signals.facts
        # Rounded, since the usual 0.1 with momentum 0.9 is a little more than 1 in float32.
        effective = float(f"{facts.learning_rate / max(1e-3, 1 - facts.momentum):.5g}")
        high = (
            facts.learning_rate >= self.max_adaptive_rate if facts.optimizer in ADAPTIVE else effective > self.max_rate
        )
        moved = [reading.layers[:, Column.UPDATE] for reading in signals.early(3)]
        weights = signals.first.layers[:, Column.WEIGHT] > 0
        change = max((float(np.nan_to_num(each[weights], nan=0.0).max(initial=0.0)) for each in moved), default=0.0)
        if not high and change <= self.max_change:
            return
        yield self.finding(
            signals,
            if_failed(learning),
            f"Steps are too large: a learning rate of {facts.learning_rate:.3g} for {facts.optimizer}, and weights "
            f"that change by {change:.0%} of their size a step.",
            evidence={"learning rate": facts.learning_rate, "change a step": change},
            remedies=(DEFAULT_ADAM, rate(facts, 0.01), rate(facts, 0.1)),
            confidence=0.9 if high else 0.6,
        )
