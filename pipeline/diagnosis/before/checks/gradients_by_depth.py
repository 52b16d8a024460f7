"""Check: how gradients change from layer to layer before the first step."""

from collections.abc import Iterator

import numpy as np

from pipeline.diagnosis.before.check import Check
from pipeline.diagnosis.before.seen import Seen
from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.remedies import BATCH_NORM, LEAKY_RELU, RELU, SELU, TANH
from pipeline.diagnosis.rules.vanishing_gradient import VanishingGradient
from pipeline.diagnosis.signals import Column


class GradientsByDepth(Check):
    """The gradient must come through to the first layer, neither fading nor growing on its way back.

    A sigmoid passes on at most a quarter of it; ten of them in a row a millionth.
    """

    symptom = VanishingGradient.symptom
    title = "gradients by depth"
    source = VanishingGradient.source
    remedies = (TANH, RELU, SELU, BATCH_NORM, LEAKY_RELU)

    max_ratio: float = VanishingGradient().max_ratio
    """Gradient of the first layer relative to the largest one, as in the rule of the same name; its inverse above."""

    def words(self, seen: Seen) -> str:
        """The gradient of the first and of the last layer."""
        found = self._ends(seen)
        return f"{found[1]:.2g} in the first layer, {found[2]:.2g} in the last" if found else ""

    def findings(self, seen: Seen) -> Iterator[Finding]:
        """Compares the first layer with the last, so that skipped and scaled branches between them do not matter."""
        found = self._ends(seen)
        assert found
        name, first, last = found
        evidence = {"gradient of the first layer": first, "of the last": last}
        if first < self.max_ratio * last:
            message = f"The gradient shrinks to {first / last:.1g} of its size on the way back to {name}."
            yield self.finding("warning", message, layers=[name], evidence=evidence)
        elif last < self.max_ratio * first:
            message = f"The gradient grows {first / last:.1g} times on the way back to {name}."
            yield self.finding("warning", message, layers=[name], evidence=evidence)

    def _ends(self, seen: Seen) -> tuple[str, float, float] | None:
        """Name and gradient of the first layer, gradient of the last; None where there are not two to compare.

        Embeddings are left out, as most of their rows are not used by a batch; so are layers without any gradient,
        which a last kernel of zeros gives and one step mends.
        """
        if seen.reading is None:
            return None
        gradients = seen.reading.layers[:, Column.GRADIENT]
        counted = [
            place
            for place, layer in enumerate(seen.facts.layers)
            if layer.trainable and layer.connected and layer.kind != "Embedding"
        ]
        if len(counted) < 2 or not np.isfinite(gradients[counted]).all() or not gradients[counted[0]] > 0:
            return None
        return seen.facts.layers[counted[0]].name, float(gradients[counted[0]]), float(gradients[counted[-1]])
