"""Plumbline: from a recipe to a trained, evaluated and registered Keras model.

>>> from pipeline import load_recipe, run
>>> result = run(load_recipe("digits", ["train.epochs=5"]))
>>> result.test_metrics["accuracy"]
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.execution import plan, run
    from pipeline.recipe.load import load_recipe
    from pipeline.recipe.tree import Recipe

__all__ = ["Recipe", "load_recipe", "plan", "run"]

_HOMES = {
    "run": "pipeline.execution",
    "plan": "pipeline.execution",
    "load_recipe": "pipeline.recipe.load",
    "Recipe": "pipeline.recipe.tree",
}


def __getattr__(name: str) -> Any:
    """Imports the public names when they are first used, so that `import pipeline` costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
