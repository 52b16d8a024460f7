"""Check: range and coding of the labels."""

import math
from collections.abc import Iterator

from pipeline.diagnosis.before.check import Check
from pipeline.diagnosis.before.seen import Seen
from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.remedies import CENTRED, RIGHT_LOSS
from pipeline.diagnosis.rules.wrong_labels import WrongLabels

KINDS = {"classes": "one of several classes", "binary": "yes or no", "labels": "several at once"}


class LabelCoding(Check):
    """Labels must be what the loss takes: class indices from 0, rows that add up to 1, 0 or 1, or values near 0.

    Values in the thousands make gradients as large; divide them, and multiply the answers.
    """

    symptom = WrongLabels.symptom
    title = "labels"
    source = f"{WrongLabels.source}; LeCun et al. 1998, Efficient BackProp, section 4.5 for values"
    remedies = (RIGHT_LOSS,)

    max_value: float = 1e4
    """Largest absolute value of a regression's labels."""
    large_value: float = 100.0
    """The same, from which on it is worth a note."""

    def words(self, seen: Seen) -> str:
        """What they are."""
        facts = seen.facts
        if facts.labels_problem and seen.reading is None:
            return "not what the loss takes"
        if seen.reading is None or facts.task == "unknown":
            return ""
        if facts.task == "values":
            return f"values up to {seen.value_size:.3g} in size"
        return KINDS[facts.task] + (f": {facts.num_outputs} outputs" if facts.num_outputs > 1 else "")

    def findings(self, seen: Seen) -> Iterator[Finding]:
        """Passes on what was seen of their coding; compares values with what a network begins with."""
        facts = seen.facts
        if problem := facts.labels_problem:
            evidence = {"outputs": facts.num_outputs, "distinct labels": facts.num_classes} if seen.reading else {}
            yield self.finding("critical", f"{problem[0].upper()}{problem[1:]}.", evidence=evidence, confidence=1.0)
        if facts.task == "values" and seen.value_size > self.large_value:
            divisor = 10 ** math.floor(math.log10(seen.value_size))
            yield self.finding(
                "warning" if seen.value_size > self.max_value else "note",
                f"Labels are up to {seen.value_size:.3g} in size, outputs begin near 0: divide them by {divisor:g}.",
                evidence={"largest label": seen.value_size},
                remedies=(CENTRED,),
            )
