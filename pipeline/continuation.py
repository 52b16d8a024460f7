"""Where a stage goes on: where it was stopped, or where the same recipe with fewer epochs had ended."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.cache import Cache, Entry, Ingredients, Unfinished
from pipeline.recipe.duration import duration_secs
from pipeline.recipe.extension import obstacle
from pipeline.recipe.train import TrainConfig
from pipeline.training.checkpoint import Checkpoints

EPOCHS, BUDGET, PAUSE = "train.epochs", "train.budget", "train.stop_after_epochs"
"""The keys in which two trainings may differ of which one goes on from the other."""


@dataclass(frozen=True)
class Continuation:
    """What a stage goes on from."""

    folder: Path
    """Of the stage, as it was left; it holds checkpoints."""
    run_id: str
    is_same: bool
    """Whether it is this very training; else one with fewer epochs, or a smaller budget."""
    reason: str
    """In words."""


def find_continuation(
    cache: Cache, stage: str, keeps: str, ingredients: Ingredients, section: TrainConfig
) -> Continuation | str | None:
    """Looks for what a stage may go on from.

    Args:
        cache: Has what was left.
        stage: The stage.
        keeps: Folder in a stage's folder that holds the checkpoints.
        ingredients: What the result depends on.
        section: The recipe's `train` section.

    Returns:
        What to go on from; or why what comes closest does not fit, in words; or None: nothing was left.
    """
    if stopped := cache.unfinished(stage, ingredients.key, keeps):
        where = _where(stopped.folder / keeps)
        return Continuation(stopped.folder, stopped.run_id, True, f"goes on from {where} of run {stopped.run_id[:8]}")
    shorter = list(_shorter(cache, stage, keeps, ingredients))
    planned = [left for left in shorter if _planned(left.ingredients) == _planned(ingredients)]
    if shorter and not planned and (reason := obstacle(section)):
        return f"cannot go on from fewer epochs: {reason}"
    if shorter:
        found = max(planned or shorter, key=lambda left: _farthest(left.folder / keeps))
        changed = PAUSE if planned else BUDGET if BUDGET in ingredients.recipe else EPOCHS
        before, now = (each.recipe.get(changed, "null") for each in (found.ingredients, ingredients))
        reason = f"{changed} {before} → {now}: goes on from {_where(found.folder / keeps)} of run {found.run_id[:8]}"
        return Continuation(found.folder, found.run_id, False, reason)
    others = cache.all_unfinished(stage, keeps)
    if not others:
        return None
    closest = min(others, key=lambda left: len(ingredients.changes_since(left.ingredients)))
    changes = "; ".join(ingredients.changes_since(closest.ingredients))
    return (
        f"an unfinished training of run {closest.run_id[:8]} stands at {_where(closest.folder / keeps)}; it is another "
        f"one: {changes}"
    )


def _shorter(cache: Cache, stage: str, keeps: str, ingredients: Ingredients) -> Iterator[Entry | Unfinished]:
    """Trainings that differ by a smaller number of epochs, or a smaller budget, only, and whose state is there."""
    lefts: list[Entry | Unfinished] = [*cache.entries(stage), *cache.all_unfinished(stage, keeps)]
    for left in lefts:
        earlier = left.ingredients
        is_same = _whatever_long(earlier) == _whatever_long(ingredients)
        if is_same and _length(earlier) < _length(ingredients) and _farthest(left.folder / keeps):
            yield left


def _planned(ingredients: Ingredients) -> float:
    """How long a training of these ingredients is to be: its epochs, or the seconds of its budget."""
    budget = ingredients.recipe.get(BUDGET)
    return float(ingredients.recipe[EPOCHS]) if budget is None else duration_secs(budget) or 0.0


def _length(ingredients: Ingredients) -> float:
    """The same, or where it pauses."""
    pause: float = ingredients.recipe.get(PAUSE, math.inf)
    return min(_planned(ingredients), pause)


def _whatever_long(ingredients: Ingredients) -> Ingredients:
    recipe = {key: value for key, value in ingredients.recipe.items() if key not in (EPOCHS, PAUSE)}
    # Whether there is a budget counts, its length does not.
    return replace(ingredients, recipe=recipe | {key: None for key in recipe if key == BUDGET})


def _farthest(folder: Path) -> tuple[int, ...]:
    place = Checkpoints(folder).place()
    return place or ()


def _where(folder: Path) -> str:
    return str(Checkpoints(folder).place())
