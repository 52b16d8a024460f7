"""The search algorithms: Keras Tuner's own oracles as ask and tell, in memory, with what is broken in 1.4.8 mended.

Nothing is read from or written to the oracles' files: a kill tears them, and a grid that is opened again ends. An
oracle is a function of its seed and of the asks and tells so far; `tuning/study.py` keeps these and says them again.
"""

import math
import sys
import warnings
from collections.abc import Sequence
from typing import Any, Literal

import keras_tuner
from keras_tuner import HyperParameters, oracles
from keras_tuner.engine.trial import TrialStatus

from tuning.asha import AshaOracle
from tuning.suggestions import Done, Oracle, Suggestion, Wait

OBJECTIVE = "objective"
"""Name of the score inside the oracles."""

MAX_COLLISIONS = 1000
"""Draws of known points in a row after which a space counts as exhausted; Keras Tuner's 20 give up on small ones."""


class InMemory(keras_tuner.Oracle):  # type: ignore[misc]
    """What every oracle of ours has in common: no files, no output, no limit of failures of its own."""

    def __init__(self, hyperparameters: HyperParameters, direction: Literal["min", "max"], seed: int, **options: Any):
        super().__init__(
            objective=keras_tuner.Objective(OBJECTIVE, direction),
            hyperparameters=hyperparameters,
            allow_new_entries=False,
            tune_new_entries=True,
            # A seed of 0 would be replaced by a random one.
            seed=seed + 1,
            max_consecutive_failed_trials=sys.maxsize,
            **options,
        )
        self._max_collisions = MAX_COLLISIONS
        self.verbose = 0

    def save(self) -> None:
        """Keeps nothing."""

    def _save_trial(self, trial: Any) -> None:
        """Keeps nothing."""


class RandomOracle(InMemory, oracles.RandomSearchOracle):  # type: ignore[misc]
    """Points drawn at random, none twice."""


class GridOracle(InMemory, oracles.GridSearchOracle):  # type: ignore[misc]
    """Every point in order."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Has the next point follow at once: Keras Tuner waits for this one to end, in case its model declares more."""
        response: dict[str, Any] = super().populate_space(trial_id)
        if response["status"] == TrialStatus.RUNNING:
            self._populate_next.append(trial_id)
        return response


class BayesianOracle(InMemory, oracles.BayesianOptimizationOracle):  # type: ignore[misc]
    """Points where a Gaussian process of the scores so far is promising; none twice."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Draws at random what would be a point that was tried: Keras Tuner would train it again and again."""
        response: dict[str, Any] = super().populate_space(trial_id)
        if response["values"] is not None and self._duplicate(response["values"]):
            drawn: dict[str, Any] = self._random_populate_space()
            return drawn
        return response


class HyperbandOracle(InMemory, oracles.HyperbandOracle):  # type: ignore[misc]
    """Brackets of successive halving, those that fit into a number of trials.

    Args:
        max_trials: The number; None: one sweep over all brackets.
        arguments: As Keras Tuner's.
    """

    def __init__(self, *arguments: Any, max_trials: int | None, max_epochs: int, factor: int):
        self._taken: Sequence[int] = range(sys.maxsize)
        super().__init__(*arguments, max_epochs=max_epochs, factor=factor)
        sizes = {bracket: self._get_size(bracket, 0) for bracket in reversed(range(self._get_num_brackets()))}
        taken, left = [], sum(sizes.values()) if max_trials is None else max_trials
        self.hyperband_iterations = max(1, left // sum(sizes.values()))
        for bracket, size in sizes.items():
            if size <= left:
                taken.append(bracket)
                left -= size
        self._taken = taken

    def rungs(self) -> list[list[tuple[int, int]]]:
        """Of each bracket that is run, in order: trials and epochs of each rung."""
        return [
            [(self._get_size(bracket, rung), self._get_epochs(bracket, rung)) for rung in range(bracket + 1)]
            for bracket in sorted(self._taken, reverse=True)
        ] * self.hyperband_iterations

    def _get_size(self, bracket_num: int, round_num: int) -> int:
        return super()._get_size(bracket_num, round_num) if bracket_num in self._taken else 0

    def _random_trial(self, trial_id: str, bracket: dict[str, Any]) -> dict[str, Any]:
        taken = bracket["bracket_num"] in self._taken
        response: dict[str, Any] = super()._random_trial(trial_id, bracket) if taken else self.populate_space(trial_id)
        return response


class KerasTunerOracle:
    """Asks one of Keras Tuner's oracles.

    Args:
        oracle: The oracle.
        exhausted: What it means that it has nothing left to suggest.
    """

    def __init__(self, oracle: InMemory, exhausted: str):
        self.inner = oracle
        self._exhausted = exhausted
        self._worst = math.inf if oracle.objective.direction == "min" else -math.inf
        self._running: dict[int, Any] = {}
        self._numbers: dict[str, int] = {}
        """Keras Tuner's id to our number of the trial, which stays when a trial is promoted."""
        self._failed: set[int] = set()
        self._brackets: dict[int, int] = {}

    def ask(self) -> Suggestion | Wait | Done:
        """Says what to train next; a promotion of a failed trial fails at once, so that its bracket goes on."""
        while True:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                given = self.inner.create_trial(f"asker {len(self.inner.trials)}")
            if given.status == TrialStatus.IDLE:
                return Wait()
            if given.status == TrialStatus.STOPPED:
                limit = self.inner.max_trials
                return Done(f"all {limit} trials ran" if limit == len(self.inner.trials) else self._exhausted)
            suggestion = self._suggestion(given)
            self._running[suggestion.trial] = given
            if suggestion.trial not in self._failed:
                return suggestion
            self.tell(suggestion.trial, None)

    def tell(self, trial: int, score: float | None) -> None:
        """Takes a score, or None for a failure."""
        given = self._running.pop(trial)
        if score is None:
            self._failed.add(trial)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # A bracket waits for all its trials to be completed: those that failed come last in it.
            if score is None and not isinstance(self.inner, HyperbandOracle):
                given.status = TrialStatus.FAILED
            else:
                self.inner.update_trial(given.trial_id, {OBJECTIVE: self._worst if score is None else score})
                given.status = TrialStatus.COMPLETED
            self.inner.end_trial(given)

    def rungs(self, trials: int) -> list[list[tuple[int, int]]] | None:  # noqa: ARG002
        """Hyperband's brackets; None: the other oracles have none."""
        return self.inner.rungs() if isinstance(self.inner, HyperbandOracle) else None

    def _suggestion(self, given: Any) -> Suggestion:
        values = given.hyperparameters.values
        before = values.get("tuner/trial_id")
        number = self._numbers[before] if before else len(set(self._numbers.values()))
        self._numbers[given.trial_id] = number
        bracket = self._brackets.setdefault(number, values.get("tuner/bracket", 0))
        epochs, rung = values.get("tuner/epochs"), values.get("tuner/round", 0)
        own = {key: value for key, value in values.items() if not key.startswith("tuner/")}
        return Suggestion(number, own, epochs, rung, bracket)


def open_oracle(
    algorithm: str,
    hyperparameters: HyperParameters,
    *,
    direction: Literal["min", "max"],
    seed: int,
    max_trials: int | None,
    max_epochs: int,
    min_epochs: int,
    factor: int,
) -> Oracle:
    """Opens an oracle of the recipe's choice.

    Args:
        algorithm: As in the recipe.
        hyperparameters: The space.
        direction: Whether small or large scores are better.
        seed: Where its draws come from.
        max_trials: Largest number of trials; None: all of a grid, one sweep of hyperband, no limit for the others.
        max_epochs: Of hyperband and asha: epochs of the last rung.
        min_epochs: Of asha: epochs of the first rung.
        factor: Of hyperband and asha: of epochs between rungs.
    """
    given = (hyperparameters, direction, seed)
    tried = f"{MAX_COLLISIONS} draws gave no new point: all of the space, or nearly all, has been tried"
    match algorithm:
        case "random":
            return KerasTunerOracle(RandomOracle(*given, max_trials=max_trials), tried)
        case "grid":
            return KerasTunerOracle(GridOracle(*given, max_trials=max_trials), "every point of the grid has been tried")
        case "bayesian":
            return KerasTunerOracle(BayesianOracle(*given, max_trials=max_trials), tried)
        case "hyperband":
            oracle = HyperbandOracle(*given, max_trials=max_trials, max_epochs=max_epochs, factor=factor)
            return KerasTunerOracle(oracle, "its brackets are complete, or no point is left for them")
        case "asha":
            points = KerasTunerOracle(RandomOracle(*given, max_trials=max_trials), tried)
            return AshaOracle(points, direction=direction, min_epochs=min_epochs, max_epochs=max_epochs, factor=factor)
    raise AssertionError(f"no algorithm is called {algorithm}")
