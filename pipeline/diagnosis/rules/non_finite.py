"""Rule: NaN or infinite values."""

from collections.abc import Iterator

import numpy as np

from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.learning import Learning
from pipeline.diagnosis.remedies import CLIP, REINITIALIZE, RELU, TANH
from pipeline.diagnosis.rules.rule import Rule
from pipeline.diagnosis.signals import Column, Signals


class NonFinite(Rule):
    """A value became too large for the number format, or an operation had no answer (log of 0, 0 / 0).

    From there it spreads to all weights within a step, and nothing more is learnt.
    """

    symptom = "nan"
    source = "Goodfellow et al. 2016, section 8.2.4; TensorFlow `tf.debugging.enable_check_numerics`"
    shows = Column.NON_FINITE
    remedies = (TANH, REINITIALIZE, RELU, CLIP)

    def findings(self, signals: Signals, learning: Learning) -> Iterator[Finding]:
        """Looks at the loss, and at all values of the network over the probe."""
        if signals.last.finite and not signals.is_loss_broken:
            return
        share = float(signals.last.layers[:, Column.NON_FINITE].max(initial=0.0))
        loss = {"loss": float(signals.losses[-1])} if signals.epochs else {}
        yield self.finding(
            signals,
            "critical",
            "The network holds values that are no numbers (NaN or infinite): every step from here on is lost.",
            layers=self._origin(signals),
            # A loss that breaks between two looks is known before the values are.
            evidence={**({"share of values": share} if share else {}), **loss},
        )

    def _origin(self, signals: Signals) -> list[str]:
        """The layers whose output overflows first, else those whose output grows most, at the earliest such reading."""
        broken = next((reading for reading in signals.readings if not reading.finite), signals.last)
        sizes = broken.layers[:, Column.SIZE]
        if not np.isfinite(sizes).any():
            sizes = signals.first.layers[:, Column.SIZE]
        overflowing = ~np.isfinite(sizes)
        if overflowing.any():
            return [signals.facts.layers[int(overflowing.argmax())].name]
        growth = np.diff(np.log(np.maximum(sizes, 1e-30)), prepend=0.0)
        return [signals.facts.layers[int(growth.argmax())].name] if len(sizes) else []
