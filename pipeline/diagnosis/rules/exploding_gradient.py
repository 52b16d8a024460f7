"""Rule: exploding gradient."""

from collections.abc import Iterator

import numpy as np

from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.learning import Learning
from pipeline.diagnosis.remedies import CLIP, REINITIALIZE, RELU, TANH
from pipeline.diagnosis.rules.rule import Rule, if_failed
from pipeline.diagnosis.signals import Column, Signals


class ExplodingGradient(Rule):
    """Signals or gradients grow from layer to layer, until a step throws the weights far away.

    Steep activations (exponential) and large initial weights do it; each layer multiplies what the one before gave.
    """

    symptom = "exploding_gradient"
    source = "Pascanu et al. 2013, https://arxiv.org/abs/1211.5063; the ratio is ours"
    shows = Column.GRADIENT
    remedies = (TANH, REINITIALIZE, RELU, CLIP)

    max_gradient: float = 30.0
    """Root mean square of a layer's gradient, relative to that of its weights. Ours: healthy ones stay below 10."""
    max_growth: float = 1e3
    """Factor by which the output of a layer may exceed that of the layer before."""

    small: float = 0.01
    """Size of an output that counts as 0: nothing grows from there."""

    def findings(self, signals: Signals, learning: Learning) -> Iterator[Finding]:
        """Looks at gradients and outputs of all readings."""
        gradients, sizes = signals.column(Column.GRADIENT), signals.column(Column.SIZE)
        ratios = gradients / np.maximum(signals.column(Column.WEIGHT), 1e-3)
        finite = np.nan_to_num(sizes, nan=0.0, posinf=1e38)
        growth = finite[:, 1:] / np.maximum(finite[:, :-1], self.small)
        worst = np.nan_to_num(ratios, nan=np.inf).max(axis=0, initial=0.0)
        jumps = growth.max(axis=0, initial=0.0)
        if not (worst.max(initial=0) > self.max_gradient or jumps.max(initial=0) > self.max_growth):
            return
        yield self.finding(
            signals,
            if_failed(learning),
            f"Gradients are up to {worst.max():.2g} times the size of the weights, outputs up to "
            f"{jumps.max(initial=0.0):.2g} times those of the layer before: steps overshoot by far.",
            layers=self._origin(signals, sizes, worst),
            evidence={"gradient / weights": float(worst.max()), "growth of outputs": float(jumps.max(initial=0.0))},
            confidence=0.9,
        )

    def _origin(self, signals: Signals, sizes: np.ndarray, worst: np.ndarray) -> list[str]:
        """Layers by how much they enlarge what they are given, then by their gradient."""
        first = np.log(np.maximum(np.nan_to_num(sizes[0], nan=1e38, posinf=1e38), 1e-30))
        growth = np.diff(first, prepend=min(first[0], 0.0) if len(first) else 0.0)
        if growth.max(initial=0.0) < np.log(self.max_growth) / 2:
            growth = worst
        return [signals.facts.layers[i].name for i in np.argsort(-growth, kind="stable")[:3]]
