"""Rule: oscillating loss."""

from collections.abc import Iterator

import numpy as np

from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.learning import Learning
from pipeline.diagnosis.remedies import DEFAULT_ADAM, rate
from pipeline.diagnosis.rules.rule import Rule, if_failed
from pipeline.diagnosis.signals import Signals


class OscillatingLoss(Rule):
    """The loss goes up and down from epoch to epoch instead of down: steps jump across the valley."""

    symptom = "oscillating_loss"
    source = "Bengio 2012, https://arxiv.org/abs/1206.5533; AUTOTRAINER (Zhang et al. 2021)"

    window: int = 10
    """Last epochs that are looked at."""
    min_amplitude: float = 0.1
    """Mean change of the training loss from epoch to epoch, relative to the loss."""
    min_turns: float = 0.4
    """Share of epochs at which the loss turns; noise alone turns at two thirds."""

    def findings(self, signals: Signals, learning: Learning) -> Iterator[Finding]:
        """Looks at the training loss of the last epochs, while there is a loss to speak of."""
        losses = signals.losses[-self.window :]
        if len(losses) < self.window or not np.isfinite(losses).all():
            return
        changes = np.diff(losses)
        amplitude = float(np.abs(changes).mean() / max(np.abs(losses).mean(), 1e-12))
        turns = float((np.sign(changes[1:]) != np.sign(changes[:-1])).mean())
        small = signals.facts.constant_loss * 0.1
        if amplitude < self.min_amplitude or turns < self.min_turns or losses.mean() < small:
            return
        yield self.finding(
            signals,
            if_failed(learning),
            f"The loss jumps by {amplitude:.0%} from epoch to epoch and turns at {turns:.0%} of them.",
            evidence={"amplitude": amplitude, "turns": turns},
            remedies=(DEFAULT_ADAM, rate(signals.facts, 0.1), rate(signals.facts, 0.01)),
            confidence=0.7,
        )
