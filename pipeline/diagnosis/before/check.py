"""What every check is: a pure function from what is seen before the first step to findings, with its thresholds."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from models.section import Section
from pipeline.diagnosis.before.seen import Seen
from pipeline.diagnosis.findings import Finding, Severity
from pipeline.diagnosis.remedies import Remedy


@dataclass(frozen=True)
class Checked:
    """What one check said."""

    title: str
    seen: str
    """What was seen, in a few words; empty: there was nothing to look at."""
    findings: tuple[Finding, ...] = ()

    @property
    def verdict(self) -> str:
        """`ok`, `-` where there was nothing to look at, or the gravest severity."""
        worst = max(self.findings, key=lambda finding: finding.rank, default=None)
        return worst.severity if worst else "ok" if self.seen else "-"


class Check(Section, ABC):
    """One thing to look at before a training. The docstring of a check says what it means to a student."""

    symptom: ClassVar[str]
    """Its name in findings."""
    title: ClassVar[str]
    """What is looked at, in words."""
    source: ClassVar[str]
    """Where the check or its threshold is from."""
    remedies: ClassVar[tuple[Remedy, ...]] = ()
    """What usually helps, the most promising first."""

    @abstractmethod
    def words(self, seen: Seen) -> str:
        """Says what was seen, in a few words; an empty text: there was nothing to look at."""

    @abstractmethod
    def findings(self, seen: Seen) -> Iterator[Finding]:
        """Yields what is wrong, if anything; asked only where there was something to look at."""

    def check(self, seen: Seen) -> Checked:
        """Looks: a pure function."""
        words = self.words(seen)
        return Checked(self.title, words, tuple(self.findings(seen)) if words else ())

    def finding(
        self,
        severity: Severity,
        message: str,
        *,
        layers: Sequence[str] = (),
        evidence: Mapping[str, float] | None = None,
        remedies: Sequence[Remedy] | None = None,
        confidence: float = 0.9,
    ) -> Finding:
        """Makes a finding of this check, before the first step."""
        return Finding(
            symptom=self.symptom,
            severity=severity,
            message=message,
            layers=tuple(layers),
            confidence=confidence,
            evidence=dict(evidence or {}),
            remedies=tuple(self.remedies if remedies is None else remedies),
            source=self.source,
        )
