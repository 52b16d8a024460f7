"""From signals to findings: the first question, then all rules; and what is new among them."""

from collections.abc import Sequence
from dataclasses import replace

from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.learning import FirstQuestion
from pipeline.diagnosis.rules import RULES, SYMPTOMS
from pipeline.diagnosis.signals import Signals

FIRST_QUESTION = FirstQuestion()


def diagnose(signals: Signals) -> list[Finding]:
    """Asks whether a training learns, then why not: a pure function.

    Args:
        signals: Of a training up to some epoch, with at least one reading.

    Returns:
        Findings, the gravest first; those as grave in the order of the rules, causes before consequences.
    """
    learning = FIRST_QUESTION.ask(signals)
    findings = [finding for rule in RULES for finding in rule.findings(signals, learning)]
    return sorted(findings, key=lambda finding: -finding.rank)


def merged(before: Sequence[Finding], now: Sequence[Finding]) -> list[Finding]:
    """Adds what is found now to what was found before; nothing that was said is taken back.

    A finding that is graver now replaces the one before, but keeps the epoch at which the symptom was first seen.
    """
    known = {finding.symptom: finding for finding in before}
    for finding in now:
        old = known.get(finding.symptom)
        if old is None:
            known[finding.symptom] = finding
        elif finding.rank > old.rank:
            first = min(old, finding, key=lambda each: each.first_epoch)
            known[finding.symptom] = replace(finding, first_epoch=first.first_epoch, first_step=first.first_step)
    order = {symptom: place for place, symptom in enumerate(SYMPTOMS)}
    return sorted(known.values(), key=lambda finding: (-finding.rank, order[finding.symptom]))
