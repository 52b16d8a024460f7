"""What a repair tells while it goes on: a line a training, then the verdict with its intervals."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pipeline.diagnosis.repair import Repair, Trial
from pipeline.imports import heavy_imports
from pipeline.recipe.tree import Recipe
from pipeline.repair.trials import in_words

if TYPE_CHECKING:
    from pipeline.repair.validation import Gain

CONTROL_DID = "The control got healthy with nothing but other random numbers: the recipe depends on its seed."


class Account:
    """Says how each training ended, and keeps what was said.

    Args:
        recipe: The sick one.
        say: Is given each line.
    """

    def __init__(self, recipe: Recipe, say: Callable[[str], None]):
        self._planned, self._say = recipe.train.epochs, say
        self.lines: list[str] = []

    def sick(self, sick: Trial) -> None:
        """The training to repair."""
        self._tell("before", sick, ", ".join(finding.symptom for finding in sick.findings if finding.rank))

    def trained(self, trial: Trial, number: int) -> None:
        """The control (0) or a trial."""
        changed = in_words(trial.overrides) if number else "nothing changed, other random numbers"
        if trial.refused:
            self._put(f"{'':10} nothing new for this recipe: {changed}")
        else:
            self._tell(f"trial {number}" if number else "control", trial, changed)

    def concluded(self, outcome: Repair, gains: "Sequence[Gain]") -> None:
        """The verdict, and what it rests on."""
        trainings = len(outcome.trials) + 1
        spent = outcome.num_epochs / self._planned
        self._put(f"{outcome.verdict:10} {trainings} trainings in {spent:.1f} times the epochs of one")
        if not gains and outcome.best.healthy:
            alone = "the sick training left no network to compare with"
            none = "neither the sick training nor the control left a network to compare with"
            self._put(f"{'':10} {alone if outcome.best is outcome.control else none}")
        for gain in gains:
            self._put(f"{'':10} {gain}")
        if outcome.control and outcome.control.healthy:
            self._put(f"{'':10} {CONTROL_DID}")

    def _tell(self, name: str, trial: Trial, rest: str) -> None:
        state = "healthy" if trial.healthy else "sick"
        self._put(f"{name:10} {state:8} {trial.num_epochs:4} epochs  {_score(trial):22} {rest}")

    def _put(self, line: str) -> None:
        self.lines.append(line)
        self._say(line)


def _score(trial: Trial) -> str:
    """What the network got on the validation split, by the first metric of its task."""
    if trial.result.answers is None:
        return "no network"
    with heavy_imports():
        from pipeline.metrics import compute
        from pipeline.repair.validation import METRICS

    metric = METRICS[trial.result.answers.task][0]
    return f"val_{metric} {compute([metric], trial.result.answers)[metric]:.4f}"
