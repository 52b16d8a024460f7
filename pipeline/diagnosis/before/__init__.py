"""Before training: the pre-flight, what can be known to be wrong before the first step. Works on any Keras model.

>>> from pipeline.diagnosis import preflight
>>> report = preflight(model, x, y, epochs=50)
>>> report.findings
>>> print(report)
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pipeline.diagnosis.before.check import Check, Checked
from pipeline.diagnosis.before.checks import CHECKS
from pipeline.diagnosis.before.seen import Leaks, Seen
from pipeline.diagnosis.findings import Advise, Finding
from pipeline.diagnosis.remedies import Remedy

if TYPE_CHECKING:
    import keras

__all__ = ["CHECKS", "Check", "Checked", "Leaks", "Report", "Seen", "judge", "preflight"]


NUM_REMEDIES = 2
"""Shown of each finding, the most promising first."""


@dataclass(frozen=True)
class Report:
    """What all checks said, in their order."""

    checked: tuple[Checked, ...]

    @property
    def findings(self) -> list[Finding]:
        """What was found, the gravest first."""
        found = [finding for each in self.checked for finding in each.findings]
        return sorted(found, key=lambda finding: -finding.rank)

    @property
    def healthy(self) -> bool:
        """Whether nothing was found above `note`."""
        return all(finding.severity == "note" for finding in self.findings)

    @property
    def verdict(self) -> str:
        """Whether a training may begin, in words."""
        count = sum(finding.rank > 0 for finding in self.findings)
        return f"{count} {'thing' if count == 1 else 'things'} to mend first" if count else "ready to train"

    @property
    def suggestion(self) -> Remedy | None:
        """What to change first; None: nothing, or nothing that has a key."""
        first = (finding.shown_remedies[0] for finding in self.findings if finding.rank and finding.shown_remedies)
        return next((remedy for remedy in first if remedy.overrides), None)

    def advised(self, advise: Advise) -> "Report":
        """The same, with what a recipe takes of the remedies."""
        return Report(tuple(replace(each, findings=tuple(advise(each.findings))) for each in self.checked))

    def lines(self) -> Iterator[str]:
        """Yields a line a check: its verdict and what was seen; below it what is wrong and what to change."""
        for each in self.checked:
            yield f"{each.verdict:9} {each.title:23} {each.seen}".rstrip()
            for finding in each.findings:
                yield f"{'':10}{finding.message}"
                if finding.layers:
                    yield f"{'':10}where: {', '.join(finding.layers[:5])}"
                yield from (f"{'':10}- {remedy}: {remedy.why}" for remedy in finding.shown_remedies[:NUM_REMEDIES])

    def __str__(self) -> str:
        return "\n".join(self.lines())


def judge(seen: Seen) -> Report:
    """Asks all checks: a pure function."""
    return Report(tuple(check.check(seen) for check in CHECKS))


def preflight(
    model: "keras.Model", x: Any, y: Any, *, x_val: Any = None, epochs: int = 1, batch_size: int = 32
) -> Report:
    """Looks at a compiled Keras model and its data before `fit`; takes some seconds and leaves the model as it was.

    Args:
        model: Compiled; functional, sequential or subclassed.
        x: Training examples as `fit` takes them: an array, or a dict or list of arrays.
        y: Their labels.
        x_val: Validation examples, to look for training examples among them.
        epochs: As `fit` will be told.
        batch_size: Likewise.

    Raises:
        UserError: If the model has no compiled loss or a stateful layer, or examples and labels are no arrays of equal
            length.
    """
    from pipeline.diagnosis.before.look import find_leaks, look
    from pipeline.diagnosis.examples import check_arrays
    from pipeline.diagnosis.unfit import check_model

    check_model(model)
    check_arrays(x=x, y=y)
    return judge(look(model, x, y, epochs=epochs, batch_size=batch_size, leaks=find_leaks(x, y, x_val)))
