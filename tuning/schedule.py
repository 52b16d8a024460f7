"""What a search will do before it does it: its rungs, their trials and epochs, and what they will take."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pipeline.errors import UserError
from pipeline.recipe.tree import Recipe
from pipeline.recipe.tune import TuneConfig
from pipeline.recipe.tune_checks import RUNGS
from tuning.space import Space
from tuning.suggestions import Oracle

DEFAULT_TRIALS = 20
"""Trials of random, bayesian and asha where neither the recipe nor a budget says."""

BUDGETED_TRIALS = 10_000
"""The same where a budget ends the search: more than it has time for."""

ENDLESS = ("random", "bayesian", "asha")
"""Algorithms that go on for as long as they are asked."""


@dataclass(frozen=True)
class Rung:
    """Trainings of one kind."""

    name: str
    jobs: int
    """How many."""
    first_epoch: int
    """Where each goes on, from 0."""
    epochs: int
    """Epochs that each has then in all."""

    @property
    def trained_epochs(self) -> int:
        """Epochs of all of them together."""
        return self.jobs * (self.epochs - self.first_epoch)

    def seconds(self, measured: Mapping[str, float]) -> float:
        """Expected time of all of them, one after the other."""
        return self.jobs * measured["start_secs"] + self.trained_epochs * measured["epoch_secs"]


@dataclass(frozen=True)
class Schedule:
    """The whole search."""

    rungs: tuple[Rung, ...]
    finals: Rung | None
    """Finalists and the recipe as it stands with other seeds; None: there are none."""
    fits: bool = False
    """Whether it is what is expected to fit into a budget, which ends the search."""

    def seconds(self, measured: Mapping[str, float], workers: int) -> float:
        """Expected wall time: starts and epochs of all trainings, shared by the workers."""
        return sum(rung.seconds(measured) for rung in self.rungs) / workers + self.finals_secs(measured, workers)

    def finals_secs(self, measured: Mapping[str, float], workers: int) -> float:
        """The same of the finalists alone."""
        return self.finals.seconds(measured) / workers if self.finals else 0.0

    def fitted(self, measured: Mapping[str, float], workers: int, secs: float) -> "Schedule":
        """So much of it as is expected to fit into a time: a training a rung at least, the finalists' half at most."""
        finals = self.finals_secs(measured, workers)
        share = min(1.0, (secs - min(finals, secs / 2)) / (self.seconds(measured, workers) - finals))
        rungs = tuple(replace(rung, jobs=max(1, int(rung.jobs * share))) for rung in self.rungs)
        return replace(self, rungs=rungs, fits=True)

    def kept_at_most(self, section: TuneConfig) -> int:
        """Trainings that have ended and whose weights and state lie on the disk: each trial's, while any may go on."""
        if section.algorithm in RUNGS:
            return sum(rung.jobs for rung in self.rungs if not rung.first_epoch)
        return max(section.keep, section.finalists)


def num_trials(section: TuneConfig) -> int | None:
    """Largest number of trials; None: the algorithm decides."""
    if section.trials is None and section.algorithm in ENDLESS:
        return DEFAULT_TRIALS
    return section.trials


def plan_search(recipe: Recipe, space: Space, oracle: Oracle) -> Schedule:
    """Counts what a search will train if no trial fails and nothing ends it early.

    Args:
        recipe: The recipe, with its `tune` section.
        space: Its space.
        oracle: Its oracle, not asked yet.

    Raises:
        UserError: If hyperband has fewer trials, or points, than its smallest bracket takes.
    """
    section, epochs = recipe.tune, recipe.train.epochs
    assert section is not None
    size, limit = space.size(grid=section.algorithm == "grid"), num_trials(section)
    trials = min(number for number in (size, limit, math.inf) if number is not None)
    finals = None
    if section.finalists:
        finals = Rung("finalists", (min(section.finalists, int(min(trials, 1e9))) + 1) * section.seeds, 0, epochs)
    rungs = _rungs(oracle, int(min(trials, 1e9)), epochs)
    if section.algorithm == "hyperband":
        _refuse_too_few(rungs, limit, size, recipe.name)
    return Schedule(tuple(rungs), finals)


def _refuse_too_few(rungs: list[Rung], limit: int | None, size: int | None, name: str) -> None:
    """Refuses a hyperband none of whose brackets would be run, or would wait for ever for points.

    Raises:
        UserError: If it is one.
    """
    if not rungs:
        raise UserError(f"{name}: tune.trials: {limit} are fewer than hyperband's smallest bracket has; give it more")
    first = max(rung.jobs for rung in rungs if not rung.first_epoch)
    if size is not None and size < first:
        raise UserError(
            f"{name}: tune.space: expected at least {first} points, which hyperband's first rung has. "
            f"Received: {size}. Use grid or asha"
        )


def _rungs(oracle: Oracle, trials: int, epochs: int) -> list[Rung]:
    brackets = oracle.rungs(trials)
    many = brackets is not None and len(brackets) > 1
    rungs = [
        rung
        for number, bracket in enumerate(brackets or (), 1)
        for rung in _of_bracket(f"bracket {number}, " if many else "", bracket)
    ]
    return rungs if brackets is not None else [Rung("trials", trials, 0, epochs)]


def _of_bracket(name: str, bracket: list[tuple[int, int]]) -> list[Rung]:
    firsts = [0, *(epochs for _, epochs in bracket)]
    return [Rung(f"{name}rung {i + 1}", jobs, firsts[i], epochs) for i, (jobs, epochs) in enumerate(bracket) if jobs]
