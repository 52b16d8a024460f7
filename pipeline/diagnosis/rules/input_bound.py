"""Rule: input-bound training."""

from collections.abc import Iterator

import numpy as np

from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.learning import Learning
from pipeline.diagnosis.remedies import FEWER_CHANGES, IN_MEMORY
from pipeline.diagnosis.rules.rule import Rule
from pipeline.diagnosis.signals import Signals


class InputBound(Rule):
    """Steps wait for their data: the processor or GPU could train faster than batches are prepared.

    The network learns as well as it would, only later. Reading from disk, decoding and augmentation take the time.
    """

    symptom = "input_bound"
    source = "TensorFlow guide: Better performance with the tf.data API; the empty buffer is of `tf.data`'s own model"
    shows = "wait_share"
    remedies = (IN_MEMORY, FEWER_CHANGES)

    min_share: float = 0.75
    """Share of the steps looked at that found no batch ready."""
    min_epochs: int = 2
    """Epochs that were looked at; the last of them count."""

    def findings(self, signals: Signals, learning: Learning) -> Iterator[Finding]:
        """Averages over the last epochs looked at; nothing is lost but time, so that it is a note."""
        waits = [epoch.wait_share for epoch in signals.epochs if np.isfinite(epoch.wait_share)][-self.min_epochs :]
        if len(waits) < self.min_epochs or np.mean(waits) < self.min_share:
            return
        share, secs = float(np.mean(waits)), signals.latest("step_secs")
        yield self.finding(
            signals,
            "note",
            f"{share:.0%} of the steps looked at found no batch ready: the training waits for its data.",
            evidence={"share of steps": share, "seconds a step": secs},
            confidence=0.8,
        )
