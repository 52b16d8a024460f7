"""Check: whether a gradient reaches every trainable weight."""

from collections.abc import Iterator

from pipeline.diagnosis.before.check import Check
from pipeline.diagnosis.before.seen import Seen
from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.remedies import CONNECT, REINITIALIZE, TANH, USE
from pipeline.diagnosis.rules.unreached_weights import UnreachedWeights


class ReachedWeights(Check):
    """Every trainable weight must change when the network is trained.

    One that does not is behind a cut in the graph, belongs to a layer that is never called, or to units that are dead
    from the start.
    """

    symptom = UnreachedWeights.symptom
    title = "reached weights"
    source = UnreachedWeights.source
    remedies = (CONNECT, USE)

    def words(self, seen: Seen) -> str:
        """How many layers, and how they were looked at."""
        layers = [layer for layer in seen.facts.layers if layer.trainable]
        if seen.reading is None or not layers:
            return ""
        moved = f"; all move within {seen.trial.num_steps} steps" if seen.trial and not seen.trial.unmoved else ""
        return f"a gradient in {sum(layer.connected for layer in layers)} of {len(layers)} layers{moved}"

    def findings(self, seen: Seen) -> Iterator[Finding]:
        """Lists what the backward pass does not know, then what did not move in a trial."""
        cut = [layer.name for layer in seen.facts.layers if layer.trainable and not layer.connected]
        if cut:
            message = f"No gradient can reach {len(cut)} trainable layers: the graph is cut behind them."
            evidence: dict[str, float] = {"layers": len(cut)}
            yield self.finding("warning", message, layers=cut, evidence=evidence, remedies=(CONNECT,), confidence=1.0)
        for layer in seen.facts.layers:
            if layer.cut:
                message = (
                    f"No gradient reaches {', '.join(layer.cut)} of {layer.name} in an inference: the graph is cut "
                    "behind it, or only training uses it."
                )
                evidence = {"weights": len(layer.cut)}
                yield self.finding("note", message, layers=[layer.name], evidence=evidence, remedies=(CONNECT,))
        unmoved = [name for name in (seen.trial.unmoved if seen.trial else ()) if name not in cut]
        if not unmoved:
            return
        known = {layer.name for layer in seen.facts.layers}
        uncalled = [name for name in unmoved if name not in known]
        if uncalled and len(unmoved) < len(known):
            message = f"{len(uncalled)} trainable layers are never used: training does not move their weights."
            evidence = self._evidence(seen, uncalled)
            yield self.finding("warning", message, layers=uncalled, evidence=evidence, remedies=(USE,))
        still = [name for name in unmoved if name in known]
        if still:
            message = f"Training does not move the weights of {len(still)} layers: no gradient gets to them."
            evidence, remedies = self._evidence(seen, still), (REINITIALIZE, TANH)
            yield self.finding("warning", message, layers=still, evidence=evidence, remedies=remedies)

    def _evidence(self, seen: Seen, layers: list[str]) -> dict[str, float]:
        assert seen.trial
        return {"layers": len(layers), "steps": seen.trial.num_steps}
