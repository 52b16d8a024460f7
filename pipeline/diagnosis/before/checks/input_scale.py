"""Check: the scale of the input."""

import math
from collections.abc import Iterator

from pipeline.diagnosis.before.check import Check
from pipeline.diagnosis.before.seen import Seen
from pipeline.diagnosis.findings import Finding, Severity
from pipeline.diagnosis.remedies import STANDARDIZE
from pipeline.diagnosis.rules.unscaled_input import UnscaledInput


class InputScale(Check):
    """What the first layer is given should be about 1 in size, since its weights are made for that.

    Larger inputs make units saturate or die and first steps overshoot; tiny ones hardly move anything.
    """

    symptom = UnscaledInput.symptom
    title = "input scale"
    source = UnscaledInput.source
    remedies = (STANDARDIZE,)

    max_size: float = UnscaledInput().max_size
    """Root mean square of a column of what the first layer is given, as in the rule of the same name."""
    min_size: float = 1e-3
    """The same, of the largest column: below, as if pixels had been divided by 255 twice."""

    def words(self, seen: Seen) -> str:
        """The size of the largest column; tokens have none."""
        size = seen.facts.input_size
        return "" if seen.reading is None or math.isnan(size) else f"columns up to {size:.2g} in size"

    def findings(self, seen: Seen) -> Iterator[Finding]:
        """Looks at the largest column; batch normalisation before the first kernel brings any scale in order."""
        size, name = seen.facts.input_size, [layer.name for layer in seen.facts.layers[:1]]
        severity: Severity = "note" if seen.scales_itself else "warning"
        if size > self.max_size:
            message = f"The input is up to {size:.3g} in size (root mean square of a column); scale it to about 1."
            yield self.finding(severity, message, layers=name, evidence={"size": size})
        elif size < self.min_size:
            message = f"The input is only {size:.2g} in size: it may have been scaled twice."
            yield self.finding(severity, message, layers=name, evidence={"size": size})
