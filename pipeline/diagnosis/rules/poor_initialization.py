"""Rule: poor initialisation."""

from collections.abc import Iterator

import numpy as np

from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.learning import Learning
from pipeline.diagnosis.remedies import REINITIALIZE, RELU, TANH
from pipeline.diagnosis.rules.rule import Rule, if_failed
from pipeline.diagnosis.signals import Column, Signals


class PoorInitialization(Rule):
    """The first weights are all 0, or of a size that makes signals vanish or explode.

    Signals keep their size where the weights of a unit have a standard deviation of about 1 / √inputs.
    """

    symptom = "poor_initialization"
    source = "Glorot and Bengio 2010; He et al. 2015, https://arxiv.org/abs/1502.01852"
    shows = Column.WEIGHT
    remedies = (REINITIALIZE, TANH, RELU)

    max_gain: float = 5.0
    """Size of the weights times √inputs; Glorot, He and LeCun give 1 to 1.5."""
    min_gain: float = 0.1
    """The same, from below."""

    def findings(self, signals: Signals, learning: Learning) -> Iterator[Finding]:
        """Looks at the weights before the first step."""
        if signals.first.epoch > 0 or not signals.facts.layers:
            return
        kernels = np.array([layer.kind != "Embedding" and layer.trainable for layer in signals.facts.layers], bool)
        roots = np.sqrt([layer.fan_in for layer in signals.facts.layers])
        gains = np.nan_to_num(signals.first.layers[:, Column.WEIGHT] * roots, nan=1.0, posinf=1e30)
        wrong = kernels & ((gains > self.max_gain) | (gains < self.min_gain))
        if not wrong.any():
            return
        off = np.abs(np.log(np.maximum(gains, 1e-9)))
        order = [i for i in np.argsort(-off, kind="stable") if wrong[i]]
        zero = bool((gains[wrong] == 0).any())
        words = "0 everywhere" if zero else f"{gains[order[0]]:.2g} times what keeps signals at their size"
        yield self.finding(
            signals,
            if_failed(learning),
            f"The first weights of {wrong.sum()} layers are off; those of {signals.facts.layers[order[0]].name} are "
            f"{words}.",
            layers=[signals.facts.layers[i].name for i in order],
            evidence={"gain of the worst layer": float(gains[order[0]])},
            remedies=self.remedies if zero or gains[order[0]] > 1 else self.remedies[1:],
            confidence=0.9,
        )
