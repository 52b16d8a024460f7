"""Runs nested in another: trials of a repair, seeds of a recipe. MLflow's pages show them below it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.environment import environment
from pipeline.recipe.load import dump_recipe
from pipeline.recipe.tree import Recipe

if TYPE_CHECKING:
    from pipeline.tracking import Run, Tracking
    from pipeline.tracking.background import Shipping

PARENT = "mlflow.parentRunId"
"""MLflow's tag of a nested run."""

SEEDS = "seeds"
"""Tag of a run that has one nested in it for each of several seeds: which."""


@contextmanager
def recorded_run(
    tracking: "Tracking",
    name: str,
    recipe: Recipe,
    *,
    parent: str | None = None,
    shipping: "Shipping | None" = "process",
) -> Iterator["Run"]:
    """Opens a run that records a recipe, as `pipeline.execution.run` would.

    Args:
        tracking: Where.
        name: Of the run.
        recipe: Its parameters and its `recipe.yaml`.
        parent: Id of the run that it is nested in; None: in none.
        shipping: As in `Tracking.run`.
    """
    facts, files = environment(Path.cwd()), {"recipe.yaml": dump_recipe(recipe)}
    with tracking.run(name, params=recipe.flat(), environment=facts, artifacts=files, shipping=shipping) as run:
        if parent:
            run.record("tags", values={PARENT: parent})
        yield run
