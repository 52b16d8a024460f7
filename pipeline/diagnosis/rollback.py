"""The last healthy state of a training that went wrong late: how many epochs of it are worth keeping."""

from collections.abc import Sequence

from pipeline.diagnosis.candidates import LATE
from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.learning import FirstQuestion
from pipeline.diagnosis.signals import Signals

QUESTION = FirstQuestion()


def healthy_epochs(signals: Signals, findings: Sequence[Finding]) -> int:
    """Epochs of a training after which it was best, had learnt something, and its steps were not too large yet.

    Args:
        signals: Of the training.
        findings: Made of them.

    Returns:
        0 where there is no such state, so that only a new start helps.
    """
    late = [finding.first_epoch for finding in findings if finding.rank and finding.symptom in LATE]
    healthy = max(0, min(late) - signals.first_epoch) if late and signals.epochs else 0
    before = signals.scores[:healthy]
    if not healthy:
        return 0
    best = int(before.argmax())
    return best + 1 if QUESTION.skill_of(signals, float(before[best])) >= QUESTION.half_way else 0
