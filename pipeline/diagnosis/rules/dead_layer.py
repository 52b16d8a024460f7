"""Rule: dead layer."""

from collections.abc import Iterator

import numpy as np

from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.learning import Learning
from pipeline.diagnosis.remedies import REINITIALIZE, RELU, TANH
from pipeline.diagnosis.rules.rule import Rule, if_failed
from pipeline.diagnosis.signals import Column, Signals


class DeadLayer(Rule):
    """A layer gives the same for every example, so that nothing of the input gets past it.

    Layers behind it can only learn how frequent each answer is; layers before it get no gradient.
    """

    symptom = "dead_layer"
    source = "ours; after DeepDiagnosis (Wardat et al. 2022) and the dead-layer rule of UMLAUT (Schoop et al. 2021)"
    shows = Column.SPREAD
    remedies = (REINITIALIZE, TANH, RELU)

    max_spread: float = 1e-6
    """Standard deviation of a layer's output over the examples, relative to its size."""
    min_before: float = 1e-3
    """The same of the layer before: where signals fade from layer to layer, no single one is to blame."""

    def findings(self, signals: Signals, learning: Learning) -> Iterator[Finding]:
        """Finds the first layer whose output does not depend on the example."""
        last = signals.last.layers
        size, spread = last[:, Column.SIZE], last[:, Column.SPREAD]
        constant = np.isfinite(size) & (spread <= self.max_spread * size)
        if not constant.any():
            return
        first = int(constant.argmax())
        if first and spread[first - 1] < self.min_before * size[first - 1]:
            return
        name = signals.facts.layers[first].name
        yield self.finding(
            signals,
            if_failed(learning),
            f"{name} gives the same for every example: nothing of the input gets past it.",
            layers=[name],
            evidence={"spread of its output": float(spread[first]), "size of its output": float(size[first])},
        )
