"""Rule: underfitting."""

from collections.abc import Iterator

from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.learning import Learning
from pipeline.diagnosis.remedies import DEFAULT_ADAM, RELU, TANH, more_epochs, wider
from pipeline.diagnosis.rules.rule import Rule
from pipeline.diagnosis.signals import Signals


class Underfitting(Rule):
    """The network has learnt something, but less than nearest neighbours get from the same examples.

    It is too small, too simple or too much restrained for the task.
    """

    symptom = "underfitting"
    source = "Goodfellow et al. 2016, section 5.2; the baseline is nearest neighbours (Fix and Hodges 1951)"
    shows = "accuracy"
    remedies = (TANH, DEFAULT_ADAM, RELU)

    min_skill: float = 0.15
    """Score between the constant answer (0) and nearest neighbours (1); below, nothing was learnt."""
    narrow: int = 4
    """Units of a hidden layer below which it cannot pass on much."""

    def findings(self, signals: Signals, learning: Learning) -> Iterator[Finding]:
        """Looks at trainings that ended with something learnt, but too little, and for narrow layers."""
        layers = [layer.name for layer in signals.facts.layers[:-1] if 0 < layer.width < self.narrow]
        short = signals.ended and learning.skill >= self.min_skill
        if not learning.failed or not (short or layers):
            return
        first = (wider(signals.facts),) if layers else ()
        yield self.finding(
            signals,
            "warning",
            f"It reached {signals.score:.3g}; nearest neighbours get {signals.facts.neighbours:.3g}.",
            layers=layers,
            evidence={"score": signals.score, "nearest neighbours": signals.facts.neighbours},
            remedies=(*first, *self.remedies, wider(signals.facts), more_epochs(signals.facts)),
            confidence=0.7,
        )
