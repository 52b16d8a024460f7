"""Rule: vanishing gradient."""

from collections.abc import Iterator

import numpy as np

from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.learning import Learning
from pipeline.diagnosis.remedies import BATCH_NORM, LEAKY_RELU, RELU, SELU, TANH
from pipeline.diagnosis.rules.rule import Rule, if_failed, worst_first
from pipeline.diagnosis.signals import Column, Signals


class VanishingGradient(Rule):
    """The gradient shrinks from layer to layer on its way back, so that the first layers hardly learn.

    A sigmoid passes on at most a quarter of it; ten of them in a row a millionth.
    """

    symptom = "vanishing_gradient"
    source = "Hochreiter 1991; Glorot and Bengio 2010; ratio as in AUTOTRAINER (Zhang et al. 2021)"
    shows = Column.GRADIENT
    remedies = (TANH, RELU, SELU, BATCH_NORM, LEAKY_RELU)

    max_ratio: float = 1e-3
    """Gradient of the least reached layer relative to the most reached one."""
    max_gradient: float = 1e-3
    """Root mean square below which a layer's gradient counts as small at all."""
    min_layers: int = 3
    """Layers that a gradient can reach, for one to be compared with the others; all of a network that has fewer."""

    def findings(self, signals: Signals, learning: Learning) -> Iterator[Finding]:
        """Compares the gradients of the layers that a gradient can reach, before it is exactly 0."""
        facts, last = signals.facts, signals.last.layers
        gradient = signals.last.layers[:, Column.GRADIENT]
        counted = np.array([layer.trainable and layer.connected for layer in facts.layers], bool)
        counted &= last[:, Column.ZERO_GRADIENTS] < 1
        enough = counted.any() and counted.sum() >= min(self.min_layers, len(facts.layers))
        if not enough or not np.isfinite(gradient).all():
            return
        largest = gradient[counted].max()
        small = counted & (gradient < self.max_ratio * largest) & (gradient < self.max_gradient)
        if not small.any():
            return
        yield self.finding(
            signals,
            if_failed(learning),
            f"The gradient shrinks to {gradient[small].min() / largest:.1g} of its size on the way back: "
            f"{small.sum()} of {len(facts.layers)} layers hardly learn.",
            layers=worst_first(signals, -gradient, small),
            evidence={"smallest gradient": float(gradient[small].min()), "largest gradient": float(largest)},
            confidence=0.9,
        )
