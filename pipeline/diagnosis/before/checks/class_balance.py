"""Check: how often each class comes."""

from collections.abc import Iterator

from pipeline.diagnosis.before.check import Check
from pipeline.diagnosis.before.seen import Seen
from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.remedies import BALANCE, COLLECT, OVERSAMPLE


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
        """The smallest and the largest share of the classes that there are."""
        there = _there(seen)
        if not there:
            return ""
        return f"{min(there) / sum(there):.1%} to {max(there) / sum(there):.1%} of the examples a class"

    def findings(self, seen: Seen) -> Iterator[Finding]:
        """Compares the largest class with the smallest; those without an example are outputs that nothing asks for."""
        counts = seen.class_counts or ()
        there = _there(seen)
        absent = [str(place) for place, count in enumerate(counts) if not count]
        if absent:
            named = ", ".join(absent[:5]) + (", …" if len(absent) > 5 else "")
            yield self.finding(
                "warning" if len(there) < 2 else "note",
                f"No training example is of class {named}: {len(there)} of {len(counts)} classes have examples.",
                evidence={"classes with examples": len(there), "classes": len(counts)},
                remedies=(COLLECT,),
            )
        ratio = max(there) / min(there)
        if ratio < self.uneven or seen.balanced:
            return
        yield self.finding(
            "warning" if ratio >= self.extreme else "note",
            f"The largest class has {ratio:.3g} times the examples of the smallest, class {counts.index(min(there))}.",
            evidence={"ratio": ratio, "examples of the smallest class": min(there)},
        )


def _there(seen: Seen) -> list[int]:
    """Counts of the classes that have examples."""
    return [count for count in seen.class_counts or () if count]
