"""What every rule is: a pure function from signals to findings, with its thresholds and their sources as fields."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

import numpy as np

from models.section import Section
from pipeline.diagnosis.figures import Shown, figure
from pipeline.diagnosis.findings import Finding, Severity
from pipeline.diagnosis.learning import Learning
from pipeline.diagnosis.remedies import Remedy, fitted
from pipeline.diagnosis.signals import Signals


class Rule(Section, ABC):
    """One thing that can be wrong with a training. The docstring of a rule says what it means to a student."""

    symptom: ClassVar[str]
    """Its name in findings."""
    source: ClassVar[str]
    """Where the rule or its threshold is from."""
    shows: ClassVar[Shown]
    """What the small figure of a finding draws over the epochs."""
    remedies: ClassVar[tuple[Remedy, ...]] = ()
    """What usually helps, the most promising first; rules may add what depends on the training."""

    @abstractmethod
    def findings(self, signals: Signals, learning: Learning) -> Iterator[Finding]:
        """Yields what is wrong, if anything; the same for the same signals.

        Args:
            signals: A training up to some epoch, with at least one reading.
            learning: Whether it learns at all: most faults are grave only where it does not.
        """

    def finding(
        self,
        signals: Signals,
        severity: Severity,
        message: str,
        *,
        layers: Sequence[str] = (),
        since: int | None = None,
        confidence: float = 1.0,
        evidence: Mapping[str, float] | None = None,
        remedies: Sequence[Remedy] | None = None,
    ) -> Finding:
        """Makes a finding of this rule, as of the epoch that `signals` end with.

        Args:
            signals: Of the training.
            severity: How grave it is.
            message: What is wrong, in plain words.
            layers: Names of the layers, most to blame first.
            since: Epochs of this training after which it began, where that is known; else it begins when it is found.
            confidence: How sure it is.
            evidence: The numbers that it rests on.
            remedies: Instead of those of the rule.
        """
        began = signals.epoch if since is None else signals.first_epoch + since
        return Finding(
            symptom=self.symptom,
            severity=severity,
            message=message,
            layers=tuple(layers),
            first_epoch=began,
            first_step=began * signals.facts.steps_per_epoch,
            called_epoch=signals.epoch,
            confidence=confidence,
            evidence=dict(evidence or {}),
            remedies=tuple(
                fitted(remedy, signals.facts) for remedy in (self.remedies if remedies is None else remedies)
            ),
            source=self.source,
            figure=figure(self.shows, layers, signals),
        )


def if_failed(learning: Learning) -> Severity:
    """Severity of what is grave only where a training does not learn."""
    return "critical" if learning.failed else "note"


def worst_first(signals: Signals, values: np.ndarray, chosen: np.ndarray) -> list[str]:
    """Names of the chosen layers, those with the largest values first; equal ones in the order of the model.

    Args:
        signals: Of the training.
        values: One number a layer, float `(layers,)`.
        chosen: Which layers to name, bool `(layers,)`.
    """
    order = np.argsort(-np.nan_to_num(values, nan=np.inf), kind="stable")
    return [signals.facts.layers[i].name for i in order if chosen[i]]
