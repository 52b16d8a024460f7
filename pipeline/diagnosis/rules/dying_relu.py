"""Rule: dying ReLU."""

from collections.abc import Iterator

import numpy as np

from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.learning import Learning
from pipeline.diagnosis.remedies import LEAKY_RELU, RELU, SELU, TANH
from pipeline.diagnosis.rules.rule import Rule, if_failed, worst_first
from pipeline.diagnosis.signals import Column, Signals

RECTIFIERS = ("relu", "relu6", "threshold")


class DyingRelu(Rule):
    """Units that give 0 for every example have no gradient, so that they stay at 0 for ever.

    A large step, a large negative bias or many narrow layers kill them.
    """

    symptom = "dying_relu"
    source = "Lu et al. 2019, https://arxiv.org/abs/1903.06733; share of AUTOTRAINER (Zhang et al. 2021)"
    shows = Column.DEAD
    remedies = (TANH, SELU, LEAKY_RELU, RELU)

    dead_share: float = 0.7
    """Units of one layer that are 0 over the whole probe."""

    def findings(self, signals: Signals, learning: Learning) -> Iterator[Finding]:
        """Counts the units of each ReLU layer that are 0 for every example."""
        dead = signals.last.layers[:, Column.DEAD]
        rectified = np.array([layer.activation in RECTIFIERS for layer in signals.facts.layers], bool)
        dying = rectified & (dead >= self.dead_share)
        dying[-1:] = False
        if not dying.any():
            return
        first = signals.facts.layers[int(dying.argmax())].name
        whose = f"{dying.sum()} layers have, the first of them {first}," if dying.sum() > 1 else f"{first} has"
        yield self.finding(
            signals,
            if_failed(learning),
            f"{whose} lost {self.dead_share:.0%} of the units or more: "
            "these give 0 for every example and cannot recover.",
            layers=worst_first(signals, dead, dying),
            evidence={"largest share of dead units": float(dead[dying].max())},
        )
