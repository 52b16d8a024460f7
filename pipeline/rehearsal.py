"""Tries a training before it runs: what `plumbline plan` and `plumbline qualify` do with a recipe."""

from typing import TYPE_CHECKING

from pipeline.execution import run
from pipeline.journal import Listener
from pipeline.quiet import quiet_imports
from pipeline.recipe.tree import Recipe

if TYPE_CHECKING:
    from pipeline.compute.estimate import Estimate


def estimate_recipe(recipe: Recipe, *, listener: Listener = lambda _: None) -> "Estimate":
    """Says what training a recipe will cost on this machine, once collected and preprocessed.

    Args:
        recipe: The recipe.
        listener: As in `pipeline.execution.run`.

    Raises:
        UserError: For a mistake in the recipe or the data.
    """
    result = run(recipe, until="preprocess", listener=listener)
    with quiet_imports():
        from pipeline.compute.estimate import estimate
        from pipeline.train import assemble

    assembled = assemble(
        recipe.train,
        model=recipe.model,
        augment=recipe.augment,
        batch_size=recipe.data.batch_size,
        memory=recipe.data.memory,
        sampling=recipe.data.sampling,
        seed=recipe.seed,
        prepared=result.folder("preprocess"),
    )
    return estimate(assembled, [result.folder(name) for name in ("collect", "preprocess")])
