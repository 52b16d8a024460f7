"""What a study has found: the best trial by fresh seeds, its gain over the recipe as it stands, and `best.yaml`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from pipeline.comparison.intervals import half_width
from pipeline.recipe.load import dump_recipe
from pipeline.recipe.tune import searched_direction
from pipeline.whole import write_whole
from tuning.space import Space
from tuning.study import DEFAULTS, Result, Study, Trial, ranked


@dataclass(frozen=True)
class Gain:
    """How much better a trial is than the recipe as it stands, over seeds that no one has chosen it by."""

    seeds: int
    mean: float
    """Mean difference of the objective over pairs of the same seed; positive where the trial is better."""
    low: float
    high: float
    """Student's t interval of the mean."""

    def __str__(self) -> str:
        return f"{self.mean:+.4g} [{self.low:+.4g}, {self.high:+.4g}] over {self.seeds} seeds"


@dataclass(frozen=True)
class Outcome:
    """The end of a study."""

    best: Trial
    """Best mean over the fresh seeds; the best of the search where there were none."""
    fresh: "Fresh | None"
    """Its scores under the fresh seeds; None: it was not trained again."""
    gain: Gain | None
    """None: too few pairs of seeds for an interval."""
    file: Path
    """`best.yaml`."""


@dataclass(frozen=True)
class Fresh:
    """A finalist trained again, with seeds that the search has not seen."""

    scores: tuple[float, ...]
    failures: int
    """Seeds under which it has no score."""

    @property
    def mean(self) -> float:
        """Of the scores."""
        return fmean(self.scores)

    def __str__(self) -> str:
        number = len(self.scores) + self.failures
        failed = f", {self.failures} of {number} failed" if self.failures else ""
        return f"{self.mean:.4g} on average of {len(self.scores)} other seeds{failed}"


def conclude(study: Study, space: Space) -> Outcome | None:
    """Chooses among the finalists and writes `best.yaml`; None if no trial has a score."""
    section = study.recipe.tune
    assert section is not None
    direction = searched_direction(section)
    candidates, repeats = ranked(study.trials(), direction), study.repeats()
    if not candidates:
        return None
    # Those of now: a study that went on with a larger budget may have had others, under fewer seeds.
    finalists = {trial.number for trial in candidates[: section.finalists]}
    fresh = _finalists({(number, seed): repeats[number, seed] for number, seed in repeats if number in finalists})
    sign = 1 if direction == "min" else -1
    # One that fails under some seed comes after all that do not, however lucky the others were.
    order = sorted(fresh, key=lambda number: (fresh[number].failures, sign * fresh[number].mean, number))
    best = next(trial for trial in candidates if trial.number == order[0]) if order else candidates[0]
    gain = gain_of(best.number, repeats, direction)
    file = study.folder / "best.yaml"
    recipe = space.recipe(best.job.point)
    head = [
        f"Trial {best.number} of study {study.name}: the best of {len(study.trials())}.",
        f"Run: plumbline run {file}",
    ]
    if recipe.train.on_sick != study.recipe.train.on_sick:
        head.append(f"train.on_sick={recipe.train.on_sick}, as in the trial that this is: it is taken from the cache")
    write_whole(file, "".join(f"# {line}\n" for line in head) + dump_recipe(recipe), durable=True)
    return Outcome(best, fresh.get(best.number), gain, file)


def _finalists(repeats: Mapping[tuple[int, int], Result]) -> dict[int, Fresh]:
    """The finalists with a score, by their number, over the seeds that all of them have ended with."""
    by_trial: dict[int, dict[int, float | None]] = {}
    for (number, seed), result in repeats.items():
        by_trial.setdefault(number, {})[seed] = result.score
    common = set.intersection(*map(set, by_trial.values())) if by_trial else set()
    found = {number: [scores[seed] for seed in sorted(common)] for number, scores in by_trial.items()}
    kept = {number: tuple(each for each in scores if each is not None) for number, scores in found.items()}
    return {number: Fresh(scores, len(found[number]) - len(scores)) for number, scores in kept.items() if scores}


def gain_of(trial: int, repeats: Mapping[tuple[int, int], Result], direction: str) -> Gain | None:
    """Compares a trial with the recipe as it stands, seed by seed."""
    sign = 1 if direction == "max" else -1
    differences = [
        sign * (result.score - base.score)
        for (number, seed), result in repeats.items()
        if number == trial
        and result.score is not None
        and (base := repeats.get((DEFAULTS, seed))) is not None
        and base.score is not None
    ]
    return None if len(differences) < 2 else _interval(differences)


def _interval(differences: Sequence[float]) -> Gain:
    mean, half = fmean(differences), half_width(differences)
    return Gain(len(differences), mean, mean - half, mean + half)
