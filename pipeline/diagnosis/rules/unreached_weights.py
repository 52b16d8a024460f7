"""Rule: weights that no gradient reaches."""

from collections.abc import Iterator

from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.learning import Learning
from pipeline.diagnosis.remedies import CONNECT
from pipeline.diagnosis.rules.rule import Rule, if_failed
from pipeline.diagnosis.signals import Column, Signals


class UnreachedWeights(Rule):
    """Layers are trainable, but the loss does not depend on their weights, or not in a way that has a gradient."""

    symptom = "unreached_weights"
    source = "ours; Karpathy 2019, A Recipe for Training Neural Networks (backprop to chart dependencies)"
    remedies = (CONNECT,)
    shows = Column.GRADIENT

    def findings(self, signals: Signals, learning: Learning) -> Iterator[Finding]:
        """Lists trainable layers that the backward pass does not know."""
        layers = [layer.name for layer in signals.facts.layers if layer.trainable and not layer.connected]
        if layers:
            yield self.finding(
                signals,
                if_failed(learning),
                f"No gradient can reach {len(layers)} trainable layers: the graph is cut behind them.",
                layers=layers,
                evidence={"layers": len(layers)},
            )
