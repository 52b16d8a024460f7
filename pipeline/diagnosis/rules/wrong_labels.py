"""Rule: labels that the loss cannot take."""

from collections.abc import Iterator

from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.learning import Learning
from pipeline.diagnosis.remedies import RIGHT_LABELS, RIGHT_LOSS
from pipeline.diagnosis.rules.rule import Rule
from pipeline.diagnosis.signals import Signals


class WrongLabels(Rule):
    """Labels are of another coding or range than the loss takes, so that it measures something else."""

    symptom = "wrong_labels"
    source = "Keras documentation of the losses"
    shows = "loss"
    remedies = (RIGHT_LOSS, RIGHT_LABELS)

    def findings(self, signals: Signals, learning: Learning) -> Iterator[Finding]:
        """Passes on what was seen of the labels."""
        facts = signals.facts
        if facts.labels_problem:
            yield self.finding(
                signals,
                "critical",
                f"{facts.labels_problem[0].upper()}{facts.labels_problem[1:]}.",
                evidence={"outputs": facts.num_outputs, "distinct labels": facts.num_classes},
            )
