"""What a training went through, epoch by epoch."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.diagnosis.record import Tree
from pipeline.training.callbacks import Epoch


@dataclass(frozen=True)
class History:
    """What `fit` went through."""

    epochs: list[Epoch]
    best_epoch: int
    """The epoch whose weights are kept: the best one under early stopping, else the last."""
    examples_per_sec: float
    """Training examples in a second, without validation; the first epoch, which compiles, counts only if alone."""
    averaged: Epoch = field(default_factory=dict)
    """Values of validation of the mean of several epochs' weights (SWA), where that is what is kept."""
    phase_starts: tuple[int, ...] = ()
    """The first epoch of each phase of transfer learning but the first."""
    findings: list[Tree] = field(default_factory=list)
    """What was found to be wrong, in this phase or before, as `pipeline.diagnosis.record` writes it."""
    stopped: bool = False
    """Whether the diagnosis ended it before its plan."""

    @property
    def best(self) -> Epoch:
        """The epoch whose weights are kept; what is known of their mean, where that is kept."""
        kept = next(epoch for epoch in self.epochs if epoch["epoch"] == self.best_epoch)
        return {"epoch": self.best_epoch, **self.averaged} if self.averaged else kept


def joined(phases: Sequence[History], kept: History) -> History:
    """Makes one history of phases that follow each other.

    Args:
        phases: In their order; their epochs are numbered through.
        kept: The phase whose weights are kept.
    """
    epochs = [epoch for phase in phases for epoch in phase.epochs]
    secs = sum(len(phase.epochs) / phase.examples_per_sec for phase in phases)
    starts = tuple(phase.epochs[0]["epoch"] for phase in phases[1:])
    return History(epochs, kept.best_epoch, len(epochs) / secs, kept.averaged, starts)
