"""Rule: the loss does not fall."""

from collections.abc import Iterator

from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.learning import Learning
from pipeline.diagnosis.remedies import DEFAULT_ADAM, RELU, TANH, more_epochs, wider
from pipeline.diagnosis.rules.rule import Rule
from pipeline.diagnosis.signals import Signals


class NotConverging(Rule):
    """The network is hardly better than the best answer that ignores its input: it does not learn.

    Other findings of the same training say why.
    """

    symptom = "not_converging"
    source = "the constant predictor as baseline: Karpathy 2019, A Recipe for Training Neural Networks"
    shows = "loss"
    remedies = (TANH, DEFAULT_ADAM, RELU)

    max_skill: float = 0.5
    """Score between the constant answer (0) and nearest neighbours (1); above, something was learnt."""

    def findings(self, signals: Signals, learning: Learning) -> Iterator[Finding]:
        """Passes on the answer to the first question."""
        if learning.failed and not learning.skill > self.max_skill:
            yield self.finding(
                signals,
                "critical",
                f"This training does not learn: {learning.reason}.",
                evidence={"loss": signals.last.loss, "loss of a constant answer": signals.facts.constant_loss},
                remedies=(*self.remedies, wider(signals.facts), more_epochs(signals.facts)),
                confidence=learning.confidence,
            )
