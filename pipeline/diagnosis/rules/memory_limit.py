"""Rule: memory near its limit."""

from collections.abc import Iterator

from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.learning import Learning
from pipeline.diagnosis.remedies import LESS_MEMORY
from pipeline.diagnosis.rules.rule import Rule
from pipeline.diagnosis.signals import Signals


class MemoryLimit(Rule):
    """Memory of the machine or its container is nearly used up: the next growth ends the run, or swapping slows it."""

    symptom = "memory_limit"
    source = "ours"
    shows = "memory_share"
    remedies = (LESS_MEMORY,)

    max_share: float = 0.97
    """Share of the memory of the machine or the container in use, by all processes; files in the cache are free."""

    def findings(self, signals: Signals, learning: Learning) -> Iterator[Finding]:
        """Looks at what is known last; it may be another process's doing, so that it is worth a note only."""
        share = signals.latest("memory_share")
        if share > self.max_share:
            yield self.finding(signals, "note", f"{share:.0%} of the memory is in use.", evidence={"share": share})
