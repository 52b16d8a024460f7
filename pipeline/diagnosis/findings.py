"""What a diagnosis says: a symptom, where, since when, on what evidence, and what to do about it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from pipeline.diagnosis.figures import Figure
from pipeline.diagnosis.remedies import Remedy

Severity = Literal["note", "warning", "critical"]

SEVERITIES: tuple[Severity, ...] = ("note", "warning", "critical")
"""From what is worth knowing, over what should be mended, to what makes going on pointless."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a training."""

    symptom: str
    """One of `rules.SYMPTOMS`, or of those that `before.CHECKS` add to them."""
    severity: Severity
    message: str
    """What is wrong, in plain words."""
    layers: tuple[str, ...] = ()
    """Names of the layers, most to blame first; none: the network as a whole."""
    first_epoch: int = 0
    """Epochs completed when the symptom began, as far as that is known, or was first seen; 0: before the first step."""
    first_step: int = 0
    """The same in optimiser steps, where the steps of an epoch are known."""
    called_epoch: int = 0
    """Epochs completed when it was found to be of this severity."""
    confidence: float = 1.0
    """How sure it is, from 0 to 1: ours, not measured; `docs/diagnosis.md` has how often each symptom was right."""
    evidence: Mapping[str, float] = field(default_factory=dict)
    """The numbers that it rests on, by name."""
    remedies: tuple[Remedy, ...] = ()
    """What to change, the most promising first."""
    advice: tuple[Remedy, ...] | None = None
    """Those that the recipe of the training takes, as it takes them, or else words; None: no recipe is known."""
    source: str = ""
    """Where the rule is from."""
    figure: Figure | None = None
    """What it rests on, over the epochs."""

    @property
    def shown_remedies(self) -> tuple[Remedy, ...]:
        """What a reader is shown of the remedies."""
        return self.remedies if self.advice is None else self.advice

    @property
    def rank(self) -> int:
        """Severity as a number: 0 is a note."""
        return SEVERITIES.index(self.severity)


Advise = Callable[[Iterable[Finding]], list[Finding]]
"""Gives findings their `advice`; `list` where no recipe is known."""
