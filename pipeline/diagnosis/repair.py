"""Repairs a sick training: tries the remedies of its findings beside an untouched control, and says what they did."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.remedies import DEFAULT_ADAM, RELU, TANH, Remedy

Overrides = Mapping[str, Any]

Verdict = Literal["healthy", "repaired", "luck", "improved", "not repaired"]
"""`luck`: no change helped, but the untouched control is healthy; `improved`: better than both, but still sick."""

LAST_RESORT = (
    TANH,
    DEFAULT_ADAM,
    RELU,
    Remedy({**TANH.overrides, **DEFAULT_ADAM.overrides}, "both, where neither is enough alone"),
)
"""Tried after what the findings name: what mends most small networks, whatever is wrong with them."""

MAX_TRIALS = 5
"""Trainings beside the control; most end early, since each is stopped as soon as it is found sick."""

MIN_GAIN = 0.05
"""Gain of skill that counts as better rather than as luck."""


@dataclass(frozen=True)
class Trial:
    """One training, as it ended."""

    findings: Sequence[Finding]
    skill: float
    """Validation score between the constant answer (0) and nearest neighbours (1)."""
    num_epochs: int
    """Epochs that it took, fewer than planned where it was stopped."""
    overrides: Overrides = field(default_factory=dict)
    result: Any = None
    """What the caller wants to keep of it, such as the model."""
    refused: bool = False
    """Whether the changes do not fit what is trained, so that nothing was."""

    @property
    def healthy(self) -> bool:
        """Whether nothing was found above a note."""
        return not self.refused and all(finding.severity == "note" for finding in self.findings)


@dataclass(frozen=True)
class Repair:
    """What came of it."""

    verdict: Verdict
    best: Trial
    control: Trial | None
    """The same training again, with other random numbers and nothing changed."""
    trials: Sequence[Trial]

    @property
    def num_epochs(self) -> int:
        """Epochs that were spent, the control's among them."""
        return sum(trial.num_epochs for trial in (*self.trials, *([self.control] if self.control else [])))


TrainOnce = Callable[[Overrides, int], Trial]
"""(overrides, number of the trial, 0 for the control) -> the training with them, stopped once it is critical."""


def repair(sick: Trial, train: TrainOnce, *, max_trials: int = MAX_TRIALS) -> Repair:
    """Tries remedies one after the other until a training is healthy; what helps is kept while more is tried.

    A healthy training is left alone. The control tells what new random numbers alone would have done.

    Args:
        sick: The training to repair.
        train: Trains with overrides and tells how it ended.
        max_trials: Trainings beside the control.
    """
    if sick.healthy:
        return Repair("healthy", sick, None, ())
    control = train({}, 0)
    base = sick
    trials: list[Trial] = []
    tried: list[dict[str, Any]] = [{}]
    while len(trials) < max_trials:
        overrides = next((each for each in _candidates(base, sick) if each not in tried), None)
        if overrides is None:
            break
        tried.append(overrides)
        trial = train(overrides, len(trials) + 1)
        trials.append(trial)
        if trial.healthy:
            break
        if trial.skill > base.skill + MIN_GAIN:
            base = trial
    best = max([*trials, sick], key=lambda trial: (trial.healthy, trial.skill))
    if control.healthy and not best.healthy:
        return Repair("luck", control, control, tuple(trials))
    improved = best.skill > max(sick.skill, control.skill) + MIN_GAIN
    return Repair(
        "repaired" if best.healthy else "improved" if improved else "not repaired", best, control, tuple(trials)
    )


def _candidates(base: Trial, sick: Trial) -> Iterator[dict[str, Any]]:
    """Overrides worth a try, the most promising first: one remedy of each finding, then the second of each, …

    Args:
        base: The best training so far; its changes are kept.
        sick: The training to repair.
    """
    findings = [finding for finding in base.findings if finding.rank > 0]
    ranks = max((len(finding.remedies) for finding in findings), default=0)
    ordered = [finding.remedies[rank] for rank in range(ranks) for finding in findings if rank < len(finding.remedies)]
    for remedy in ordered:
        yield {**base.overrides, **remedy.overrides}
    for remedy in LAST_RESORT:
        yield {**sick.overrides, **remedy.overrides}
