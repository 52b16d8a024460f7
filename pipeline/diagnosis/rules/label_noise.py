"""Rule: label noise suspected."""

from collections.abc import Iterator

import numpy as np

from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.learning import Learning
from pipeline.diagnosis.remedies import EARLY_STOPPING, LABEL_SMOOTHING
from pipeline.diagnosis.rules.rule import Rule
from pipeline.diagnosis.signals import Signals


class LabelNoise(Rule):
    """Validation accuracy was best early and fell while the network went on to learn the rest by heart.

    Networks learn what is regular first and wrong labels last.
    """

    symptom = "label_noise"
    source = "Arpit et al. 2017, https://arxiv.org/abs/1706.05394"
    shows = "accuracy"
    remedies = (EARLY_STOPPING, LABEL_SMOOTHING)

    min_fall: float = 0.05
    """Fall of validation accuracy from its best."""
    early: float = 0.5
    """Share of the epochs within which the best must lie."""
    min_gain: float = 0.1
    """Rise of training accuracy since then."""

    def findings(self, signals: Signals, learning: Learning) -> Iterator[Finding]:
        """Compares accuracies with those of the best epoch."""
        name = signals.accuracy_name
        training, validation = signals.series(name), signals.series(f"val_{name}")
        if len(training) < 10 or np.isnan(training).any() or np.isnan(validation).any():
            return
        best = int(validation.argmax())
        fall, gain = validation[best] - validation[-5:].mean(), training[-5:].mean() - training[best]
        if fall >= self.min_fall and gain >= self.min_gain and best < self.early * len(training):
            yield self.finding(
                signals,
                "note",
                f"Validation accuracy fell by {fall:.1%} since epoch {signals.epochs[best].epoch}, while training "
                f"accuracy rose by {gain:.1%}: some labels may be wrong.",
                since=best + 1,
                evidence={"fall": float(fall), "gain": float(gain), "best epoch": best + 1},
                confidence=0.6,
            )
