"""The space that a Keras Tuner model declares itself, as the recipe writes spaces."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from models.config import CustomConfig
from models.custom import load_function
from models.hypermodel import build_hypermodel, is_hypermodel
from pipeline.errors import UserError
from pipeline.recipe.load import load_recipe
from pipeline.whole import write_whole

PREFIX = "model.arguments."
"""Where the recipe has the values of such a model's hyperparameters."""


def discover(recipe_file: Path, out: Path, _: Any) -> None:
    """Builds the model once, and writes the space that it declared on the way.

    Args:
        recipe_file: A recipe with a custom model.
        out: JSON file to write: `space`, dotted key to its range; or `error`.
    """
    model = load_recipe(recipe_file).model
    assert isinstance(model, CustomConfig)
    try:
        function = load_function(model)
        declared = list(_declared(function, model.arguments)) if is_hypermodel(function) else []
        searched = [hp for hp in declared if type(hp).__name__ != "Fixed"]
        _refuse_lost(searched)
    except UserError as error:
        write_whole(out, json.dumps({"error": str(error)}), durable=True)
        return
    space = {PREFIX + hp.name: _parameter(hp) for hp in searched}
    write_whole(out, json.dumps({"space": space}), durable=True)


def _declared(function: Any, values: dict[str, Any]) -> Iterator[Any]:
    """Yields every hyperparameter, those of each `conditional_scope` too: the model is built until all were active."""
    found: list[tuple[str, Any]] = []
    active: list[Any] = []
    wanted = dict(values)
    while True:
        _, hyperparameters = build_hypermodel(function, wanted)
        for hp in hyperparameters.space:
            if (hp.name, hp.conditions) not in found:
                found.append((hp.name, hp.conditions))
                yield hp
        active += hyperparameters.active_scopes
        waiting = [scope for scope in hyperparameters.inactive_scopes if scope not in active]
        if not waiting:
            return
        active.append(waiting[0])
        wanted = {**values, **{condition.name: condition.values[0] for condition in waiting[0]}}


def _refuse_lost(declared: list[Any]) -> None:
    """Refuses what a recipe cannot say, and would lose without a word.

    Raises:
        UserError: If it is among them.
    """
    names = [hp.name for hp in declared]
    for hp in declared:
        what = f"the model's hyperparameter {hp.name!r}"
        if "." in hp.name:
            raise UserError(f"{what}: expected a name without a dot, which is for nested keys of a recipe. Rename it")
        if names.count(hp.name) > 1:
            raise UserError(f"{what}: expected one declaration. It has several, under other conditions; rename one")
        if getattr(hp, "sampling", None) == "reverse_log":
            raise UserError(f"{what}: expected sampling linear or log, which a recipe has. Received: reverse_log")


def _parameter(hp: Any) -> dict[str, Any]:
    """Keras Tuner's hyperparameter as the recipe writes it."""
    when = {PREFIX + condition.name: list(condition.values) for condition in hp.conditions}
    condition = {"when": when} if when else {}
    match type(hp).__name__:
        case "Boolean":
            return {"type": "boolean", **condition}
        case "Choice":
            return {"type": "choice", "values": list(hp.values), **condition}
    step = {"step": hp.step} if hp.step is not None else {}
    log = {"log": True} if hp.sampling == "log" else {}
    return {"type": type(hp).__name__.lower(), "low": hp.min_value, "high": hp.max_value, **step, **log, **condition}
