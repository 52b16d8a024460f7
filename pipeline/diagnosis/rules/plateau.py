"""Rule: plateau."""

from collections.abc import Iterator

from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.learning import Learning
from pipeline.diagnosis.remedies import DEFAULT_ADAM, RELU, TANH
from pipeline.diagnosis.rules.rule import Rule
from pipeline.diagnosis.signals import Signals


class Plateau(Rule):
    """The loss has stopped to fall far above what is possible: a flat region or a poor minimum."""

    symptom = "plateau"
    source = "Dauphin et al. 2014, https://arxiv.org/abs/1406.2572 (saddle points)"
    shows = "loss"
    remedies = (TANH, DEFAULT_ADAM, RELU)

    max_fall: float = 0.01
    """Relative fall of the mean training loss over the second half of the epochs."""
    min_epochs: int = 10
    """Fewer say nothing."""

    def findings(self, signals: Signals, learning: Learning) -> Iterator[Finding]:
        """Compares the third with the fourth quarter of a training that has failed."""
        losses = signals.losses
        if not learning.failed or len(losses) < self.min_epochs or not signals.last.finite:
            return
        quarter = len(losses) // 4
        fall = signals.fall(quarter)
        if abs(fall) <= self.max_fall:
            since = len(losses) - 2 * quarter
            epoch = signals.first_epoch + since
            yield self.finding(
                signals,
                "warning",
                f"The loss has stood still at {losses[-quarter:].mean():.3g} since epoch {epoch}.",
                since=since,
                evidence={"fall": fall},
                confidence=0.7,
            )
