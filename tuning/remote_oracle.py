"""An oracle in a process of its own, so that the driver of a search imports neither Keras Tuner nor TensorFlow."""

import contextlib
import multiprocessing
import traceback
from multiprocessing import connection
from typing import Any

from models.seeds import seed_for
from pipeline.imports import heavy_imports
from pipeline.recipe.tree import Recipe
from pipeline.recipe.tune import searched_direction
from tuning.schedule import num_trials
from tuning.space import Space
from tuning.suggestions import Done, Oracle, Suggestion, Wait
from tuning.workers import leave_terminal

PATIENCE_SECS = 5.0
"""How long its process may take to end."""


class RemoteOracle:
    """Passes on to the oracle of a recipe what it is asked and told; begun at once, waited for when it is asked.

    Its process ends with `close`, or with this one.

    Args:
        recipe: A recipe with a `tune` section.
        space: Its space.

    Raises:
        RuntimeError: From each method, if the oracle fails, or its process has died.
    """

    def __init__(self, recipe: Recipe, space: Space):
        context = multiprocessing.get_context("forkserver")
        self._calls, calls = context.Pipe()
        self.process = context.Process(target=_answer, args=(recipe, space, calls), daemon=True)
        """Where it works."""
        with heavy_imports():
            self.process.start()
        calls.close()

    def ask(self) -> Suggestion | Wait | Done:
        """Says what to train next."""
        suggestion: Suggestion | Wait | Done = self._call("ask")
        return suggestion

    def tell(self, trial: int, score: float | None) -> None:
        """Takes the result of the last suggestion for a trial; None: it failed."""
        self._call("tell", trial, score)

    def rungs(self, trials: int) -> list[list[tuple[int, int]]] | None:
        """Of each bracket, in order: trainings and epochs of each rung; empty where all are trained to the end."""
        brackets: list[list[tuple[int, int]]] | None = self._call("rungs", trials)
        return brackets

    def close(self) -> None:
        """Ends its process."""
        self._calls.close()
        self.process.join(PATIENCE_SECS)
        self.process.kill()

    def _call(self, name: str, *arguments: Any) -> Any:
        try:
            self._calls.send((name, arguments))
            answer, failure = self._calls.recv()
        except (EOFError, OSError) as error:
            raise RuntimeError(
                "the process that suggests trials has died. What it was told is kept: --resume goes on with the study"
            ) from error
        if failure:
            raise RuntimeError(f"the oracle failed in its process:\n{failure}")
        return answer


def _answer(recipe: Recipe, space: Space, calls: connection.Connection) -> None:
    """What the process does, until the driver closes or is gone."""
    leave_terminal()
    oracle: Oracle | None = None
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            name, arguments = calls.recv()
            answer, failure = None, ""
            try:
                oracle = oracle or _open(recipe, space)
                answer = getattr(oracle, name)(*arguments)
            # Whatever it is: the driver raises it, as text, since not every error survives to be pickled.
            except Exception:
                failure = traceback.format_exc()
            calls.send((answer, failure))


def _open(recipe: Recipe, space: Space) -> Oracle:
    with heavy_imports():
        from tuning.oracles import open_oracle

    section = recipe.tune
    assert section is not None
    return open_oracle(
        section.algorithm,
        space.hyperparameters(grid=section.algorithm == "grid"),
        direction=searched_direction(section),
        seed=seed_for(recipe.seed, "tune"),
        max_trials=num_trials(section),
        max_epochs=recipe.train.epochs,
        min_epochs=section.min_epochs,
        factor=section.factor,
    )
