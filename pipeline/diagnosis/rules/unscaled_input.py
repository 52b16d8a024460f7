"""Rule: input not scaled."""

from collections.abc import Iterator

from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.learning import Learning
from pipeline.diagnosis.remedies import STANDARDIZE, TANH
from pipeline.diagnosis.rules.rule import Rule, if_failed
from pipeline.diagnosis.signals import Column, Signals


class UnscaledInput(Rule):
    """The input is far larger than the weights are made for: first steps overshoot, units saturate or die."""

    symptom = "abnormal_input"
    source = "LeCun et al. 1998, Efficient BackProp, section 4.3"
    shows = Column.SIZE
    remedies = (STANDARDIZE, TANH)

    max_size: float = 15.0
    """Root mean square of a column of what the first layer is given; scaled inputs have about 1."""

    def findings(self, signals: Signals, learning: Learning) -> Iterator[Finding]:
        """Looks at what reaches the first layer with a kernel, so that scaling inside the network counts."""
        size = signals.facts.input_size
        if size > self.max_size:
            yield self.finding(
                signals,
                if_failed(learning),
                f"The input is up to {size:.3g} in size (root mean square of a column); scale it to about 1.",
                layers=[layer.name for layer in signals.facts.layers[:1]],
                evidence={"size": size},
                confidence=0.8,
            )
