"""What a tool says of a training, in the words that `benchmarks/diagnosis.py` counts in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks.diagnosed.published_rules import PUBLISHED
from benchmarks.diagnosed.trainings import replay
from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.signals import Signals

WORDS = {
    "too_large_steps": "oscillating_loss",
    "dead_layer": "dying_relu",
    "frozen_weights": "slow_convergence",
    "plateau": "not_converging",
    "diverging": "not_converging",
    "class_collapse": "not_converging",
}
"""Our finer symptoms in the words of the literature; the others are the same."""

OURS = "Plumbline"


@dataclass(frozen=True)
class Verdict:
    """What is said of one training."""

    symptoms: frozenset[str] = frozenset()
    """Of all that is above a note."""
    epoch: int | None = None
    """Epochs completed at the first of it; None: nothing was said."""
    layer: int | None = None
    """Place of the layer that is blamed first among those with a kernel."""
    first: str = ""
    """The symptom that is named first: the gravest, or the earliest."""

    @property
    def sick(self) -> bool:
        """Whether the training was called sick."""
        return self.epoch is not None


def plumbline(signals: Signals) -> Verdict:
    """What the public callback said."""
    findings = [finding for finding in replay(signals) if finding.rank]
    names = [layer.name for layer in signals.facts.layers]
    blamed = next((finding.layers[0] for finding in findings if finding.layers), None)
    return Verdict(
        symptoms=frozenset(_word(finding) for finding in findings),
        epoch=min((finding.called_epoch for finding in findings), default=None),
        layer=None if blamed is None else names.index(blamed),
        first=_word(findings[0]) if findings else "",
    )


def _word(finding: Finding) -> str:
    if finding.symptom == "poor_initialization" and finding.evidence["gain of the worst layer"] == 0:
        return "zero_init"
    return WORDS.get(finding.symptom, finding.symptom)


def _published(name: str, signals: Signals) -> Verdict:
    calls = sorted(PUBLISHED[name](signals), key=lambda call: call.epoch)
    if not calls:
        return Verdict()
    return Verdict(frozenset(call.symptom for call in calls), calls[0].epoch, first=calls[0].symptom)


TOOLS: Mapping[str, Callable[[Signals], Verdict]] = {
    OURS: plumbline,
    **{name: lambda signals, name=name: _published(name, signals) for name in PUBLISHED},  # type: ignore[misc]
}
