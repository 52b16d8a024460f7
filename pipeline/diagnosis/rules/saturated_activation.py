"""Rule: saturated activations."""

from collections.abc import Iterator

import numpy as np

from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.learning import Learning
from pipeline.diagnosis.remedies import BATCH_NORM, REINITIALIZE, RELU, STANDARDIZE
from pipeline.diagnosis.rules.rule import Rule, if_failed, worst_first
from pipeline.diagnosis.signals import Column, Signals


class SaturatedActivation(Rule):
    """Sigmoid or tanh units are pushed to their ends, where they are flat: no gradient gets through.

    Weights, inputs or steps that are too large push them there.
    """

    symptom = "saturated_activation"
    source = "Glorot and Bengio 2010; Rakitianskaia and Engelbrecht 2015"
    shows = Column.SATURATED
    remedies = (REINITIALIZE, STANDARDIZE, RELU, BATCH_NORM)

    saturated_share: float = 0.5
    """Outputs of one hidden layer, over all units and examples, whose slope is below 2 % of the steepest."""

    def findings(self, signals: Signals, learning: Learning) -> Iterator[Finding]:
        """Counts flat outputs of each hidden sigmoid or tanh layer; an output layer may be as sure as it likes."""
        shares = signals.last.layers[:, Column.SATURATED].copy()
        shares[-1:] = 0.0
        flat = shares >= self.saturated_share
        if not flat.any():
            return
        yield self.finding(
            signals,
            if_failed(learning),
            f"{flat.sum()} hidden layers are saturated: up to {shares.max():.0%} of their outputs lie where the "
            "activation is flat, so that little gradient gets through.",
            layers=worst_first(signals, np.round(shares, 2), flat),
            evidence={"largest share": float(shares.max())},
            confidence=0.8,
        )
