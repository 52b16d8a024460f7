"""Check: how often each class comes."""

from collections.abc import Iterator

from pipeline.diagnosis.before.check import Check
from pipeline.diagnosis.before.seen import Seen
from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.remedies import BALANCE, OVERSAMPLE


class ClassBalance(Check):
    """Where one class is rare, a network that never says it is nearly always right; plain training tends there.

    Look at a metric that counts classes alike (f1_macro) beside accuracy.
    """

    symptom = "class_imbalance"
    title = "class balance"
    source = "Johnson and Khoshgoftaar 2019, Survey on deep learning with class imbalance; Buda et al. 2018"
    remedies = (BALANCE, OVERSAMPLE)

    uneven: float = 10.0
    """Examples of the largest class for each one of the smallest, from which effects are seen (Buda et al. 2018)."""
    extreme: float = 100.0
    """The same, called high imbalance in the survey."""

    def words(self, seen: Seen) -> str:
        """The smallest and the largest share."""
        if not seen.class_counts:
            return ""
        total = sum(seen.class_counts)
        return f"{min(seen.class_counts) / total:.1%} to {max(seen.class_counts) / total:.1%} of the examples a class"

    def findings(self, seen: Seen) -> Iterator[Finding]:
        """Compares the largest class with the smallest."""
        counts = seen.class_counts or ()
        ratio = max(counts) / max(1, min(counts))
        if ratio < self.uneven or seen.balanced:
            return
        yield self.finding(
            "warning" if ratio >= self.extreme else "note",
            f"The largest class has {ratio:.3g} times the examples of the smallest, class {counts.index(min(counts))}.",
            evidence={"ratio": ratio, "examples of the smallest class": min(counts)},
        )
