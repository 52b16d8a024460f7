"""Check: frozen layers that cannot have been meant."""

from collections.abc import Iterator

from pipeline.diagnosis.before.check import Check
from pipeline.diagnosis.before.seen import Seen
from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.remedies import UNFREEZE


class FrozenLayers(Check):
    """A frozen layer keeps its weights, which has a point only where they were trained before.

    One whose biases are all 0 and whose kernel is of the size that its initialiser draws never was.
    """

    symptom = "frozen_layers"
    title = "frozen layers"
    source = "Keras guide on transfer learning, https://keras.io/guides/transfer_learning; the sign is ours"

    remedies = (UNFREEZE,)

    def words(self, seen: Seen) -> str:
        """How many of the weights train."""
        total = sum(layer.num_weights for layer in seen.weights)
        frozen = [layer for layer in seen.weights if not layer.trainable]
        if not total:
            return ""
        share = sum(each.num_weights for each in frozen) / total
        return f"{len(frozen)} of {len(seen.weights)}, {share:.0%} of the weights" if frozen else "none"

    def findings(self, seen: Seen) -> Iterator[Finding]:
        """Looks for frozen layers that were never trained, and for anything that trains at all."""
        if not any(layer.trainable for layer in seen.weights):
            message = "All layers are frozen: there is nothing to train."
            yield self.finding("critical", message, evidence={"frozen layers": len(seen.weights)}, confidence=1.0)
            return
        if new := seen.new_layers:
            message = f"{len(new)} frozen layers hold weights that were never trained."
            evidence = {"frozen layers never trained": len(new), "layers": len(seen.weights)}
            yield self.finding("warning", message, layers=new, evidence=evidence)
