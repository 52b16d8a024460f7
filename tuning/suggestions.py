"""What a search algorithm is to the rest: it is asked what to train, and told what came of it."""

from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Suggestion:
    """What to train next."""

    trial: int
    """Number of the trial; one that was asked for before goes on where it stopped."""
    values: dict[str, Any]
    """Keras Tuner's values of the active keys."""
    epochs: int | None = None
    """Epochs to train in all; None: those of the recipe."""
    rung: int = 0
    """How often the trial has been promoted."""
    bracket: int = 0
    """Of hyperband: which of its halvings the trial belongs to."""


@dataclass(frozen=True)
class Wait:
    """Nothing can be suggested before a running trial ends."""


@dataclass(frozen=True)
class Done:
    """The search has ended."""

    reason: str


class Oracle(Protocol):
    """A search algorithm."""

    def ask(self) -> Suggestion | Wait | Done:
        """Says what to train next."""

    def tell(self, trial: int, score: float | None) -> None:
        """Takes the result of the last suggestion for a trial; None: it failed."""

    def rungs(self, trials: int) -> list[list[tuple[int, int]]] | None:
        """Of each bracket, in order: trainings and epochs of each rung; empty where all are trained to the end.

        Args:
            trials: How many trials there will be.
        """
