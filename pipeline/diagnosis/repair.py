"""Repairs a sick training: tries changes beside an untouched control, and says what they did."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pipeline.diagnosis.candidates import BODIES, Parts, candidates, named, simpler
from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.remedies import Remedy

Overrides = Mapping[str, Any]

Verdict = Literal["healthy", "repaired", "improved", "not repaired"]
"""`repaired`: healthy, and better than the sick training and the control; `improved`: better than both but still sick,
or healthy and better than the sick alone, as where the untouched control is healthy too."""

MAX_TRIALS = 7
"""Trainings beside the control; most end early, since each is stopped as soon as it is critically sick."""

AS_GOOD = 0.01
"""Loss of skill up to which fewer changes do as well; ours."""

MIN_GAIN = 0.05
"""Gain of skill that counts as better rather than as luck, where no interval is known."""


@dataclass(frozen=True)
class Trial:
    """One training, as it ended."""

    findings: Sequence[Finding]
    skill: float
    """Score between the constant answer (0) and nearest neighbours (1), the better of training and validation."""
    num_epochs: int
    """Epochs that it took, fewer than planned where it was stopped."""
    overrides: Overrides = field(default_factory=dict)
    result: Any = None
    """What the caller wants to keep of it, such as the model."""
    refused: bool = False
    """Whether the changes do not fit what is trained, so that nothing was."""
    healthy_epochs: int = 0
    """Epochs after which it had learnt and nothing was wrong yet; 0: there were none."""

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
    """All that were trained, in their order."""
    healed_at: int = 0
    """Number of the first trial that was healthy; 0: none was."""

    @property
    def num_tried(self) -> int:
        """Trainings that the best was chosen from."""
        return len(self.trials) + (self.best is self.control)

    @property
    def num_epochs(self) -> int:
        """Epochs that were spent, the control's among them."""
        return sum(trial.num_epochs for trial in (*self.trials, *([self.control] if self.control else [])))


TrainOnce = Callable[[Overrides, int], Trial]
"""(overrides, number of the trial, 0 for the control) -> the training with them; trials are stopped once critical."""

Better = Callable[[Trial, Trial, int], bool]
"""Whether the first training, the best of so many, is better than the second."""


def more_skilled(one: Trial, other: Trial, num_tried: int) -> bool:  # noqa: ARG001  (as any `Better`)
    """Whether the skill of one training is larger by more than luck gives."""
    return one.skill > other.skill + MIN_GAIN


def repair(
    sick: Trial,
    train: TrainOnce,
    *,
    better: Better = more_skilled,
    bodies: Sequence[Remedy] = BODIES,
    max_trials: int = MAX_TRIALS,
) -> Repair:
    """Tries changes one after the other until a training is healthy; then whether fewer changes would do.

    Where none was enough, changes for what the best of them lacks still are tried on top of it, then what the findings
    name themselves, one by one, as long as there are trials. A healthy training is left alone. The control tells what
    new random numbers alone would have done; where only they help, it is the best.

    Args:
        sick: The training to repair.
        train: Trains with overrides and tells how it ended.
        bodies: What hidden layers become, the most promising first.
        better: Tells whether one training is better than another, as far as can be known.
        max_trials: Trainings beside the control, before the one with fewer changes.
    """
    if sick.healthy:
        return Repair("healthy", sick, None, ())
    control = train({}, 0)
    trials: list[Trial] = []
    tried: list[Overrides] = [{}]
    healed_at, best, best_parts = 0, sick, Parts()

    def attempt(parts: Parts) -> Trial | None:
        overrides = merged(parts)
        if overrides in tried:
            return None
        tried.append(overrides)
        trial = train(overrides, len(trials) + 1)
        if trial.refused:
            return None
        tried.append(trial.overrides)
        trials.append(trial)
        return trial

    def changes() -> Iterator[Parts]:
        yield from candidates(sick.findings, sick.healthy_epochs, bodies)
        if best is not sick:
            own = candidates(best.findings, best.healthy_epochs, bodies)
            yield from [(*best_parts, *parts) for parts in own]
        yield from named(sick.findings)

    for parts in changes():
        if len(trials) == max_trials:
            break
        trial = attempt(parts)
        if trial is None:
            continue
        if (trial.healthy, trial.skill) > (best.healthy, best.skill):
            best, best_parts = trial, parts
        if trial.healthy:
            healed_at = len(trials)
            fewer = attempt(simpler(parts, sick.findings))
            if fewer and fewer.healthy and not (fewer.skill < best.skill - AS_GOOD or better(best, fewer, 1)):
                best = fewer
            break
    if control.healthy and not best.healthy:
        best = control
    outcome = Repair("not repaired", best, control, tuple(trials), healed_at)
    return replace(outcome, verdict=_verdict(outcome, sick, better))


def merged(parts: Parts) -> dict[str, Any]:
    """The overrides of several remedies together; of two values of a key the last one's."""
    return {key: value for part in parts for key, value in part.overrides.items()}


def _verdict(outcome: Repair, sick: Trial, better: Better) -> Verdict:
    best, control = outcome.best, outcome.control
    assert control
    if best is sick or not better(best, sick, outcome.num_tried):
        return "not repaired"
    if best is not control and better(best, control, outcome.num_tried):
        return "repaired" if best.healthy else "improved"
    return "improved" if best.healthy else "not repaired"
