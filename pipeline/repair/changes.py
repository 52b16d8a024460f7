"""From overrides of a remedy to a changed recipe: what they supersede goes, and what the recipe has no place for."""

from collections.abc import Mapping
from typing import Any

from pipeline.diagnosis.remedies import Remedy
from pipeline.recipe.errors import RecipeError
from pipeline.recipe.load import dump_recipe, load_recipe
from pipeline.recipe.tree import Recipe

SUPERSEDED = {
    "train.optimizer.type": "train.optimizer",
    "train.clip.global_norm": "train.clip",
    "model.activation": "model.dropout_type",
    "model.kernel_initializer": "model.initializers",
    "model.normalization": "model.batch_norm",
    "train.epochs": "train.budget",
}
"""Keys to what makes no sense beside their new value, such as the momentum of another optimiser."""

Overrides = Mapping[str, Any]


def changed(recipe: Recipe, overrides: Overrides) -> tuple[Recipe, dict[str, Any]]:
    """Changes a recipe as overrides say; those that it has no place for are left out.

    Args:
        recipe: As it was.
        overrides: Dotted keys to their values.

    Returns:
        The changed recipe, and the overrides that apply; none: nothing is left to change.
    """
    left, before = dict(overrides), recipe.flat()
    while left:
        try:
            now = load_recipe(
                _without_superseded(recipe, left),
                [str(Remedy({key: value}, "")) for key, value in written(left, before).items()],
            )
        except RecipeError as error:
            refused = {key for problem in error.problems for key in left if _concerns(problem.key, key)}
            left = {key: value for key, value in left.items() if key not in refused} if refused else {}
            continue
        return now, {key: value for key, value in left.items() if before.get(key) != now.flat().get(key)}
    return recipe, {}


def written(overrides: Overrides, before: Overrides) -> dict[str, Any]:
    """Overrides with the values that a recipe takes: a number in place of a list is that number as often.

    Args:
        overrides: Dotted keys to their values.
        before: The recipe's own.
    """
    return {
        key: [value] * len(before[key]) if isinstance(before.get(key), list) and not isinstance(value, list) else value
        for key, value in overrides.items()
    }


def to_yaml(recipe: Recipe, comments: list[str]) -> str:
    """Writes a recipe with comments above it."""
    return "".join(f"# {line}\n" for line in comments) + dump_recipe(recipe)


def _without_superseded(recipe: Recipe, overrides: Overrides) -> dict[str, Any]:
    tree = recipe.model_dump(by_alias=True, exclude_none=True, mode="json")
    for key in overrides:
        *parents, last = SUPERSEDED.get(key, key).split(".")
        node = tree
        for parent in parents:
            node = node.get(parent) or {}
        if key in SUPERSEDED:
            node.pop(last, None)
    return tree


def _concerns(problem: str, key: str) -> bool:
    return problem == key or key.startswith(f"{problem}.") or problem.startswith(f"{key}.")
