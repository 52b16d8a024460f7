"""Check: whether the answer leaks."""

from collections.abc import Iterator

from pipeline.diagnosis.before.check import Check
from pipeline.diagnosis.before.seen import Leaks, Seen
from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.remedies import LEAVE_OUT, SPLIT_BY_CONTENT


class Leakage(Check):
    """Examples in two splits, or a column that is the label in other words, make a score that will not hold.

    Such a column is filled when the answer is known (a code of the diagnosis), and missing or wrong before.
    """

    symptom = "leakage"
    title = "leakage"
    remedies = (SPLIT_BY_CONTENT,)
    source = "Kaufman et al. 2012, Leakage in Data Mining; Kapoor and Narayanan 2023"

    def words(self, seen: Seen) -> str:
        """What was looked for."""
        if seen.leaks is None:
            return ""
        if seen.leaks != Leaks():
            return f"{seen.leaks.shared} examples in two splits; see below"
        return "no example in two splits, no column that is the label"

    def findings(self, seen: Seen) -> Iterator[Finding]:
        """Passes on what was found where the data was looked at."""
        leaks = seen.leaks
        assert leaks
        if leaks.shared:
            message = f"{leaks.shared} examples are in more than one split: their score says nothing of new ones."
            yield self.finding("warning", message, evidence={"examples": leaks.shared}, confidence=1.0)
        if leaks.telling:
            named = ", ".join(leaks.telling[:5])
            message = f"Each value of {named} goes with one label: is it known when the network is asked?"
            yield self.finding("warning", message, evidence={"columns": len(leaks.telling)}, remedies=(LEAVE_OUT,))
        for text in leaks.told:
            yield self.finding("warning", f"{text[0].upper()}{text[1:]}.", remedies=(LEAVE_OUT,))
        for note in leaks.notes:
            yield self.finding("note", f"{note[0].upper()}{note[1:]}.", remedies=())
