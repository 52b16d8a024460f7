"""Check: whether the network survives being saved and loaded."""

from collections.abc import Iterator

from pipeline.diagnosis.before.check import Check
from pipeline.diagnosis.before.seen import Seen
from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.remedies import REGISTER


class SaveAndLoad(Check):
    """What is trained must come back from its file and answer as before.

    A Lambda layer is code, which Keras does not load unless told that the file is safe; layers of one's own are found
    only if they are registered, and come back whole only if `get_config` names all their arguments.
    """

    symptom = "not_loadable"
    title = "save and load"
    source = "Keras guide on serialization, https://keras.io/guides/serialization_and_saving"
    remedies = (REGISTER,)

    max_difference: float = 1e-4
    """Largest difference of the outputs before and after, relative to their size: float32 has seven digits."""

    def words(self, seen: Seen) -> str:
        """What came of it."""
        if seen.reloaded is None:
            return ""
        if seen.reloaded.problem:
            return "it cannot be loaded"
        return "the same answers" if seen.reloaded.difference <= self.max_difference else "other answers"

    def findings(self, seen: Seen) -> Iterator[Finding]:
        """Passes on what Keras said, or by how much the answers differ."""
        reloaded = seen.reloaded
        assert reloaded
        if reloaded.problem:
            message = f"The network cannot be loaded once it is saved: {reloaded.problem}"
            evidence = {"layers that cannot be loaded": len(reloaded.layers)}
            yield self.finding("warning", message, layers=reloaded.layers, evidence=evidence, confidence=1.0)
        elif reloaded.difference > self.max_difference:
            message = (
                f"Saved and loaded, the network answers otherwise, by up to {reloaded.difference:.2g} of the size."
            )
            yield self.finding("warning", message, evidence={"difference": reloaded.difference})
