"""Check: the loss before the first step."""

import math
from collections.abc import Iterator

from pipeline.diagnosis.before.check import Check
from pipeline.diagnosis.before.seen import Seen
from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.remedies import CENTRED, REINITIALIZE, STANDARDIZE
from pipeline.diagnosis.signals import Facts


class InitialLoss(Check):
    """A network that knows nothing yet should say so: its loss is about that of even answers, ln C for C classes.

    A far higher one comes from outputs that are large from the start, and the first steps are spent on undoing that;
    for values it comes from labels that are far from 0, where outputs begin.
    """

    symptom = "initial_loss"
    title = "loss at initialisation"
    source = 'Karpathy 2019, A Recipe for Training Neural Networks ("verify loss @ init"); the factors are ours'
    remedies = (REINITIALIZE, STANDARDIZE)

    max_ratio: float = 4.0
    """First loss relative to that of even answers. Ours: sound networks start below 2."""
    max_ratio_of_values: float = 30.0
    """The same for values, relative to the loss of their mean."""
    min_ratio: float = 0.5
    """First loss relative to that of the best constant answer, below which something is known already."""

    def words(self, seen: Seen) -> str:
        """The loss beside what the task implies."""
        if seen.reading is None or math.isnan(expected(seen.facts)[0]):
            return ""
        value, whose = expected(seen.facts)
        return f"{seen.reading.loss:.3g}; {whose} {value:.3g}"

    def findings(self, seen: Seen) -> Iterator[Finding]:
        """Compares the first loss with that of even answers."""
        assert seen.reading
        loss, facts = seen.reading.loss, seen.facts
        value, whose = expected(facts)
        evidence = {"loss": loss, "expected": value}
        output = [layer.name for layer in facts.layers[-1:]]
        if not math.isfinite(loss):
            message = f"The loss is {loss} before the first step: no training can begin from there."
            yield self.finding("critical", message, layers=output, evidence=evidence, confidence=1.0)
            return
        of_values = facts.task == "values"
        if loss > (self.max_ratio_of_values if of_values else self.max_ratio) * value:
            message = f"The first loss is {loss:.3g}, {loss / value:.2g} times as high: {whose} {value:.3g}."
            remedies = (CENTRED,) if of_values else self.remedies
            yield self.finding("warning", message, layers=output, evidence=evidence, remedies=remedies)
        elif loss < self.min_ratio * min(value, facts.constant_loss):
            message = f"The first loss is {loss:.3g}, below that of any constant answer: these weights are trained."
            yield self.finding("note", message, evidence=evidence, remedies=())


def expected(facts: Facts) -> tuple[float, str]:
    """The loss that answers without knowledge get, and whose it is; NaN where the task is unknown."""
    if facts.loss.endswith("crossentropy") and "focal" not in facts.loss:
        if facts.task == "classes" and facts.num_outputs > 1:
            return math.log(facts.num_outputs), f"even answers give ln {facts.num_outputs} ="
        if facts.task in ("binary", "labels"):
            return math.log(2), "even answers give ln 2 ="
    constant = facts.constant_loss if facts.constant_loss > 0 else math.nan
    return constant, "their mean gives" if facts.task == "values" else "the best constant answer gives"
