"""The last healthy state of a training that went wrong late: how many epochs of it are worth keeping."""

from collections.abc import Sequence

import numpy as np

from pipeline.diagnosis.candidates import LATE
from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.learning import FirstQuestion
from pipeline.diagnosis.signals import Signals

QUESTION = FirstQuestion()


def healthy_epochs(signals: Signals, findings: Sequence[Finding]) -> int:
    """Epochs after which a training was best, had learnt something, and its steps were not too large yet.

    Args:
        signals: Of the training.
        findings: Made of them.

    Returns:
        0 where there is no such state, so that only a new start helps.
    """
    late = [finding.first_epoch for finding in findings if finding.rank and finding.symptom in LATE]
    before = signals.scores[: min(late)] if late and signals.epochs else np.zeros(0)
    if not len(before):
        return 0
    best = int(before.argmax())
    return best + 1 if QUESTION.skill_of(signals, float(before[best])) >= QUESTION.half_way else 0
