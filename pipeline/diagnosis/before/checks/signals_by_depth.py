"""Check: how signals change from layer to layer before the first step."""

from collections.abc import Iterator

import numpy as np

from pipeline.diagnosis.before.check import Check
from pipeline.diagnosis.before.seen import Seen
from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.remedies import BATCH_NORM, REINITIALIZE, RELU, TANH
from pipeline.diagnosis.signals import Column


class SignalsByDepth(Check):
    """What distinguishes examples must come through to the output, neither fading nor growing from layer to layer.

    Weights that are too small, all 0 or too large, and activations that squash do it.
    """

    symptom = "poor_initialization"
    title = "signals by depth"
    source = "Glorot and Bengio 2010; He et al. 2015; Schoenholz et al. 2017, Deep Information Propagation"
    remedies = (REINITIALIZE, TANH, RELU, BATCH_NORM)

    min_share: float = 1e-4
    """Standard deviation of the outputs over the examples, relative to their size. Ours: sound networks stay above
    1e-3."""
    max_growth: float = 1e3
    """Size of the largest hidden output relative to the first one's."""

    def words(self, seen: Seen) -> str:
        """Variation over the examples, first and last."""
        if seen.reading is None or len(seen.facts.layers) < 2:
            return ""
        shares = _shares(seen)
        return f"examples differ by {shares[0]:.2g} of the size after the first layer, {shares[-1]:.2g} after the last"

    def findings(self, seen: Seen) -> Iterator[Finding]:
        """Looks at the output first, then for the layer where it was lost; a last kernel of zeros hides the others."""
        assert seen.reading
        table, names = seen.reading.layers, [layer.name for layer in seen.facts.layers]
        shares, sizes = _shares(seen), table[:, Column.SIZE]
        growth = float(np.nan_to_num(sizes[:-1].max() / max(sizes[0], 1e-6), nan=np.inf))
        if table[-1, Column.WEIGHT] > 0 and shares[-1] < self.min_share:
            lost = next(place for place, share in enumerate(shares) if share < self.min_share)
            yield self.finding(
                "warning",
                f"The network answers all examples alike: what distinguishes them is lost at {names[lost]}.",
                layers=[names[lost]],
                evidence={"differences after the first layer": shares[0], "after the last": shares[-1]},
            )
        elif not table[:, Column.WEIGHT].any():
            message = "All weights are 0: every unit would learn the same."
            yield self.finding("warning", message, layers=names, evidence={"layers": len(names)})
        elif growth > self.max_growth:
            worst = int(np.nan_to_num(sizes[:-1], nan=np.inf).argmax())
            yield self.finding(
                "warning",
                f"Signals grow {growth:.2g} times over the layers, most at {names[worst]}.",
                layers=[names[worst]],
                evidence={"growth": growth},
            )


def _shares(seen: Seen) -> list[float]:
    """Standard deviation of each layer's output over the examples, relative to its size."""
    assert seen.reading
    table = np.nan_to_num(seen.reading.layers.astype("float64"), posinf=1e38)
    shares: list[float] = (table[:, Column.SPREAD] / np.maximum(table[:, Column.SIZE], 1e-30)).tolist()
    return shares
