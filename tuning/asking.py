"""An oracle in a process of its own, so that the driver of a search imports neither Keras Tuner nor TensorFlow."""

import contextlib
import multiprocessing
import os
import signal
import traceback
from multiprocessing import connection
from typing import Any

from models.seeds import seed_for
from pipeline.quiet import quiet_imports
from pipeline.recipe.tree import Recipe
from pipeline.recipe.tune import searched_direction
from tuning.schedule import num_trials
from tuning.space import Space
from tuning.suggestions import Done, Oracle, Suggestion, Wait


class DistantOracle:
    """Passes on to the oracle of a recipe what it is asked and told; begun at once, waited for when it is asked.

    Its process ends with this one. An error of the oracle is raised here.

    Args:
        recipe: A recipe with a `tune` section.
        space: Its space.

    Raises:
        RuntimeError: From each method, if its process has died.
    """

    def __init__(self, recipe: Recipe, space: Space):
        context = multiprocessing.get_context("forkserver")
        self._calls, calls = context.Pipe()
        with quiet_imports():
            context.Process(target=_answer, args=(recipe, space, calls), daemon=True).start()
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

    def _call(self, name: str, *arguments: Any) -> Any:
        try:
            self._calls.send((name, arguments))
            answer = self._calls.recv()
        except (EOFError, ConnectionError) as error:
            raise RuntimeError("the process that suggests trials has died; what it was told is kept") from error
        if isinstance(answer, Exception):
            raise answer
        return answer


def _answer(recipe: Recipe, space: Space, calls: connection.Connection) -> None:
    """What the process does, until the driver is gone."""
    # A terminal's Ctrl-C is for the driver.
    os.setpgrp()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    oracle: Oracle | None = None
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            name, arguments = calls.recv()
            try:
                oracle = oracle or _open(recipe, space)
                answer = getattr(oracle, name)(*arguments)
            except Exception as error:
                error.add_note(traceback.format_exc())
                answer = error
            calls.send(answer)


def _open(recipe: Recipe, space: Space) -> Oracle:
    with quiet_imports():
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
