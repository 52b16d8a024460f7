"""Where a stage goes on: where it was stopped, or where the same recipe with fewer epochs had ended."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.cache import Cache, Entry, Ingredients, Unfinished
from pipeline.recipe.extension import obstacle
from pipeline.recipe.train import TrainConfig
from pipeline.training.checkpoint import Checkpoints

EPOCHS = "train.epochs"


@dataclass(frozen=True)
class Continuation:
    """What a stage goes on from."""

    folder: Path
    """Of the stage, as it was left; it holds checkpoints."""
    run_id: str
    is_same: bool
    """Whether it is this very training; else one with fewer epochs."""
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
    if shorter and (reason := obstacle(section)):
        return f"cannot go on from fewer epochs: {reason}"
    if shorter:
        found = max(shorter, key=lambda left: _farthest(left.folder / keeps))
        before, now = (each.recipe[EPOCHS] for each in (found.ingredients, ingredients))
        reason = f"{EPOCHS} {before} → {now}: goes on from {_where(found.folder / keeps)} of run {found.run_id[:8]}"
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
    """Trainings that differ by a smaller number of epochs only, and whose state is there."""
    epochs = ingredients.recipe[EPOCHS]
    lefts: list[Entry | Unfinished] = [*cache.entries(stage), *cache.all_unfinished(stage, keeps)]
    for left in lefts:
        earlier = left.ingredients
        same = Ingredients(earlier.recipe | {EPOCHS: epochs}, earlier.inputs, earlier.code, earlier.libraries)
        if same == ingredients and earlier.recipe[EPOCHS] < epochs and _farthest(left.folder / keeps):
            yield left


def _farthest(folder: Path) -> tuple[int, ...]:
    place = Checkpoints(folder).place()
    return place or ()


def _where(folder: Path) -> str:
    return str(Checkpoints(folder).place())
