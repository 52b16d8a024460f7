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
    shows = "loss"
    remedies = (DEFAULT_ADAM,)

    window: int = 10
    """Last epochs that are looked at."""
    min_amplitude: float = 0.1
    """Mean change of the training or validation loss from epoch to epoch, relative to it."""
    small: float = 0.1
    """Share of the constant answer's loss below which jumps do no harm."""
    min_turns: float = 0.4
    """Share of epochs at which the loss turns; noise alone turns at two thirds."""

    def findings(self, signals: Signals, learning: Learning) -> Iterator[Finding]:
        """Looks at the losses of the last epochs, while they are large enough to speak of."""
        found = [self._amplitude(series[-self.window :], signals) for series in (signals.losses, signals.val_losses)]
        amplitude, turns = max(found)
        if not amplitude:
            return
        yield self.finding(
            signals,
            if_failed(learning),
            f"The loss jumps by {amplitude:.0%} from epoch to epoch and turns at {turns:.0%} of them.",
            evidence={"amplitude": amplitude, "turns": turns},
            remedies=(DEFAULT_ADAM, rate(signals.facts, 0.1), rate(signals.facts, 0.01)),
            confidence=0.7,
        )

    def _amplitude(self, losses: np.ndarray, signals: Signals) -> tuple[float, float]:
        """Mean jump relative to the loss, and share of turns; 0 where there is nothing to speak of."""
        if len(losses) < self.window or not np.isfinite(losses).all():
            return 0.0, 0.0
        changes = np.diff(losses)
        amplitude = float(np.abs(changes).mean() / max(np.abs(losses).mean(), 1e-12))
        turns = float((np.sign(changes[1:]) != np.sign(changes[:-1])).mean())
        small = losses.mean() < self.small * signals.facts.constant_loss
        return (0.0, 0.0) if amplitude < self.min_amplitude or turns < self.min_turns or small else (amplitude, turns)
