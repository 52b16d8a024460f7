"""Rule: class collapse."""

from collections.abc import Iterator

from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.learning import Learning
from pipeline.diagnosis.remedies import BALANCE, DEFAULT_ADAM, REINITIALIZE
from pipeline.diagnosis.rules.rule import Rule, if_failed
from pipeline.diagnosis.signals import Signals


class ClassCollapse(Rule):
    """The network gives the same class for every example."""

    symptom = "class_collapse"
    source = "ours; imbalance: He and Garcia 2009, Learning from Imbalanced Data"
    shows = "loss"
    remedies = (DEFAULT_ADAM, REINITIALIZE, BALANCE)

    min_share: float = 0.99
    """Share of the probe that gets the most frequent answer."""

    def findings(self, signals: Signals, learning: Learning) -> Iterator[Finding]:
        """Counts answers after the first epoch."""
        if signals.last.epoch >= 1 and signals.facts.num_classes > 1 and signals.last.top_share >= self.min_share:
            yield self.finding(
                signals,
                if_failed(learning),
                f"{signals.last.top_share:.0%} of the examples get the same answer; there are "
                f"{signals.facts.num_classes} classes.",
                evidence={"share": signals.last.top_share, "share of the most frequent class": signals.facts.chance},
                confidence=0.9,
            )
