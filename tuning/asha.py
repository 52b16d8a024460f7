"""ASHA: asynchronous successive halving of Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning"."""

import dataclasses
import math
from typing import Literal

from tuning.suggestions import Done, Oracle, Suggestion, Wait


class AshaOracle:
    """Promotes a trial as soon as it is among the best `1 / factor` of its rung, and draws a new point otherwise.

    A failed trial stays in its rung as the worst of it and is never promoted.

    Args:
        points: Where new points come from.
        direction: Whether small or large scores are better.
        min_epochs: Epochs of the first rung.
        max_epochs: Epochs of the last rung.
        factor: Of epochs between rungs, and of trials.
    """

    def __init__(
        self, points: Oracle, *, direction: Literal["min", "max"], min_epochs: int, max_epochs: int, factor: int
    ):
        self.epochs = rung_epochs(min_epochs, max_epochs, factor)
        self._points = points
        self._sign = 1 if direction == "min" else -1
        self._factor = factor
        self._suggested: dict[int, Suggestion] = {}
        self._losses: list[dict[int, float]] = [{} for _ in self.epochs]
        """Of each rung: trial to its score, small is good."""
        self._promoted: list[set[int]] = [set() for _ in self.epochs]
        self._running: set[int] = set()

    def ask(self) -> Suggestion | Wait | Done:
        """Promotes from the highest rung possible, else draws a new point."""
        suggestion = self._promotion() or self._points.ask()
        if isinstance(suggestion, Done) and self._running:
            return Wait()
        if isinstance(suggestion, Suggestion):
            if suggestion.rung == 0:
                suggestion = dataclasses.replace(suggestion, epochs=self.epochs[0])
            self._suggested[suggestion.trial] = suggestion
            self._running.add(suggestion.trial)
        return suggestion

    def tell(self, trial: int, score: float | None) -> None:
        """Enters a result into its rung."""
        rung = self._suggested[trial].rung
        self._running.remove(trial)
        self._losses[rung][trial] = math.inf if score is None else self._sign * score
        if rung == 0:
            self._points.tell(trial, score)

    def rungs(self, trials: int) -> list[list[tuple[int, int]]]:
        """One bracket: a trial in `factor` reaches the next rung."""
        return [[(trials // self._factor**rung, epochs) for rung, epochs in enumerate(self.epochs)]]

    def _promotion(self) -> Suggestion | None:
        for rung in reversed(range(len(self.epochs) - 1)):
            losses = self._losses[rung]
            best = sorted(losses, key=lambda trial: (losses[trial], trial))[: len(losses) // self._factor]
            for trial in best:
                if trial not in self._promoted[rung] and losses[trial] < math.inf:
                    self._promoted[rung].add(trial)
                    return dataclasses.replace(self._suggested[trial], epochs=self.epochs[rung + 1], rung=rung + 1)
        return None


def rung_epochs(min_epochs: int, max_epochs: int, factor: int) -> list[int]:
    """Epochs of each rung: `min_epochs` times powers of `factor`, and `max_epochs` for the last."""
    rungs = [min_epochs]
    while rungs[-1] * factor < max_epochs:
        rungs.append(rungs[-1] * factor)
    return rungs if rungs[-1] == max_epochs else [*rungs, max_epochs]
