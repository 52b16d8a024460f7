"""The space of a search: which points it has, and from a point to an ordinary recipe."""

import contextlib
import itertools
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic_core import to_jsonable_python

from pipeline.recipe.errors import Problem, RecipeError
from pipeline.recipe.keras_names import check_object
from pipeline.recipe.load import load_recipe, schema_problems
from pipeline.recipe.schema import fields_of, section_at
from pipeline.recipe.tree import Recipe, flatten
from pipeline.recipe.tune import Boolean, Choice, Float, Int, ParameterConfig
from pipeline.recipe.tune_checks import RUNGS

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

Point = dict[str, Any]
"""Dotted recipe key to its value; keys whose condition is not met are absent."""

GRID_VALUES = 10
"""Values that a grid takes from a range without a step, both ends among them."""


@dataclass(frozen=True)
class Space:
    """The points of a search over the keys of a recipe."""

    tree: dict[str, Any]
    """The recipe without `tune`, as plain values."""
    parameters: dict[str, ParameterConfig]
    """Searched key to its range; a key comes after those that its condition names."""
    left_out: dict[str, str]
    """Key of the recipe's space that is not searched, to the reason: a condition that no point meets."""

    @classmethod
    def of(cls, recipe: Recipe) -> "Space":
        """Reads the space of a recipe that has a `tune` section.

        A condition on a key that is not searched is decided here, by the recipe's value of it.
        """
        assert recipe.tune is not None
        tree = recipe.model_dump(by_alias=True, exclude_none=True, mode="json")
        del tree["tune"]
        # A repair changes a recipe; a trial is what it is.
        if recipe.train.on_sick in ("warn", "repair"):
            tree["train"]["on_sick"] = "stop" if recipe.tune.stop_sick else "warn"
        # What is promoted goes on from the state at its end.
        if recipe.tune.algorithm in RUNGS:
            tree["train"]["checkpoint"]["keep"] = True
        flat, searched, left_out = flatten(tree), dict[str, ParameterConfig](), dict[str, str]()
        waiting = dict(recipe.tune.space)
        while waiting:
            key = next(key for key, parameter in waiting.items() if not set(parameter.when) & set(waiting))
            parameter = waiting.pop(key)
            unmet = [
                other
                for other, wanted in parameter.when.items()
                if other not in searched and flat.get(other) not in allowed(wanted)
            ]
            if unmet:
                left_out[key] = f"{unmet[0]} is {flat.get(unmet[0])}"
            else:
                searched[key] = parameter
        return cls(tree, searched, left_out)

    def hyperparameters(self, *, grid: bool = False) -> "HyperParameters":
        """The space in Keras Tuner's terms.

        Choices are encoded as JSON, as Keras Tuner takes neither lists nor values of several types.

        Args:
            grid: Whether ranges become choices of their values: Keras Tuner's own grid leaves ends out.
        """
        from keras_tuner import HyperParameters

        space = HyperParameters()
        for key, parameter in self.parameters.items():
            with contextlib.ExitStack() as conditions:
                for other, wanted in parameter.when.items():
                    if other in self.parameters:
                        values = [self._encoded(other, value, grid) for value in allowed(wanted)]
                        conditions.enter_context(space.conditional_scope(other, values))
                _declare(space, key, parameter, grid)
        return space

    def point(self, values: Mapping[str, Any]) -> Point:
        """Decodes Keras Tuner's values of the keys of this space."""
        return {key: _decoded(self.parameters[key], values[key]) for key in self.parameters if key in values}

    def recipe(self, point: Point, **changed: Any) -> Recipe:
        """Makes the recipe of a point.

        Where the point changes the `type` of a section, keys that the new type lacks, and defaults of the old one, are
        left out.

        Args:
            point: The searched keys with their values.
            changed: Sections and keys at the top of the recipe to replace, such as `name`.

        Raises:
            RecipeError: If the point is no valid recipe.
        """
        return load_recipe({**self._switched(point), **changed}, _overrides(point))

    def size(self, *, grid: bool = False) -> int | None:
        """Number of points, of the space or of its grid; None if there is no end of them."""
        counts = {key: len(grid_values(p)) if grid else _count(p) for key, p in self.parameters.items()}
        if None in counts.values():
            return None
        total = 0
        for types in self._combinations(self._parents()):
            active = [key for key in self.parameters if key not in self._parents() and self._active(key, types)]
            total += math.prod(counts[key] or 1 for key in active)
        return total

    def points(self) -> Iterator[Point]:
        """Yields every point of a finite space."""
        yield from self._combinations(list(self.parameters))

    def refuse_impossible(self, name: str) -> None:
        """Refuses values that no recipe could have, whatever the other keys.

        Args:
            name: What the recipe is called in the message.

        Raises:
            RecipeError: With every such value of a choice, and end of a range.
        """
        found = [
            Problem(f"tune.space.{key}", message)
            for key, parameter in self.parameters.items()
            for value in _ends(parameter)
            if (message := self._refusal(key, value))
        ]
        if found:
            raise RecipeError(list(dict.fromkeys(found)), {"": name})

    def _refusal(self, key: str, value: Any) -> str | None:
        """Why a value is wrong wherever its key is searched; None if it is right somewhere."""
        message = None
        for others in self._combinations([k for k in self.parameters if k.endswith(".type") or k in self._parents()]):
            if self._active(key, others):
                problems = self._problems({**others, key: value})
                own = [found.message for found in problems if f"{found.key}.".startswith(f"{key}.")]
                if not own:
                    return None
                message = message or own[0]
        return message

    def _problems(self, point: Point) -> list[Problem]:
        """What is wrong with the keys of a point one by one; combinations of them are left to the trials."""
        tree = self._switched(point)
        for each in point.items():
            _set(tree, *each)
        optimizer = tree["train"]["optimizer"]
        arguments = check_object("optimizers", "train.optimizer", optimizer["type"], optimizer.keys() - {"type"})
        return [*schema_problems(tree), *arguments]

    def _switched(self, point: Point) -> dict[str, Any]:
        tree: dict[str, Any] = json.loads(json.dumps(self.tree))
        for key, value in point.items():
            if key.endswith(".type"):
                _switch(tree, key.split(".")[:-1], value)
        return tree

    def _parents(self) -> list[str]:
        named = {other for parameter in self.parameters.values() for other in parameter.when}
        return [key for key in self.parameters if key in named]

    def _combinations(self, keys: list[str]) -> Iterator[Point]:
        """Yields the combinations of some keys, those that conditions leave out absent."""
        seen = set()
        for values in itertools.product(*(grid_values(self.parameters[key]) for key in keys)):
            point: Point = {}
            for key, value in zip(keys, values, strict=True):
                if self._active(key, point):
                    point[key] = value
            marked = json.dumps(point, sort_keys=True)
            if marked not in seen:
                seen.add(marked)
                yield point

    def _active(self, key: str, point: Point) -> bool:
        conditions = self.parameters[key].when.items()
        return all(
            other not in self.parameters or (other in point and point[other] in allowed(value))
            for other, value in conditions
        )

    def _encoded(self, key: str, value: Any, grid: bool) -> Any:
        is_range = isinstance(self.parameters[key], Int | Float) and not grid
        return value if is_range or isinstance(self.parameters[key], Boolean) else json.dumps(value)


def allowed(wanted: Any) -> list[Any]:
    """The values that a condition takes: a list is a choice."""
    return wanted if isinstance(wanted, list) else [wanted]


def grid_values(parameter: ParameterConfig) -> list[Any]:
    """The values of a parameter in a grid, in their order."""
    match parameter:
        case Choice():
            return list(to_jsonable_python(parameter.values))
        case Boolean():
            return [False, True]
    low, high = parameter.low, parameter.high
    free = parameter.log and _factor(parameter) is None
    count = min(_count(parameter) or GRID_VALUES, GRID_VALUES) if free else _count(parameter) or GRID_VALUES
    if parameter.log:
        ratio = _factor(parameter) or (high / low) ** (1 / (count - 1))
        values = [low * ratio**i for i in range(count)]
    else:
        step = parameter.step or (high - low) / (count - 1)
        values = [low + step * i for i in range(count)]
    if isinstance(parameter, Int):
        return sorted({round(value) for value in values})
    return [_clean(min(value, high)) for value in values]


def _clean(value: float) -> float:
    """A sum of steps as one would write it: 0.3, not 0.30000000000000004."""
    return float(f"{value:.12g}")


def _count(parameter: ParameterConfig) -> int | None:
    """Number of values; None: no end of them."""
    match parameter:
        case Choice():
            return len(parameter.values)
        case Boolean():
            return 2
    if parameter.log:
        factor = _factor(parameter)
        if factor is None:
            return parameter.high - parameter.low + 1 if isinstance(parameter, Int) else None
        return int(math.log(parameter.high / parameter.low, factor) + 1e-8) + 1
    return None if parameter.step is None else int((parameter.high - parameter.low) / parameter.step + 1e-8) + 1


def _factor(parameter: Int | Float) -> float | None:
    """What one value of a logarithmic range is multiplied by to give the next; None: any value between."""
    return None if parameter.step in (None, 1) else parameter.step


def _declare(space: "HyperParameters", key: str, parameter: ParameterConfig, grid: bool) -> None:
    if isinstance(parameter, Boolean):
        space.Boolean(key)
    elif grid or isinstance(parameter, Choice):
        space.Choice(key, [json.dumps(value) for value in grid_values(parameter)])
    elif parameter.log:
        declare = space.Int if isinstance(parameter, Int) else space.Float
        declare(key, parameter.low, parameter.high, step=_factor(parameter), sampling="log")
    else:
        declare = space.Int if isinstance(parameter, Int) else space.Float
        declare(key, parameter.low, _last(parameter), step=parameter.step)


def _last(parameter: Int | Float) -> float:
    """The upper end of a range for Keras Tuner, whose `(high - low) // step` makes 5 steps of 0.1 of 0.6."""
    count = _count(parameter)
    if isinstance(parameter, Int) or parameter.step is None or count is None:
        return parameter.high
    return parameter.low + (count - 1 + 1e-6) * parameter.step


def _decoded(parameter: ParameterConfig, value: Any) -> Any:
    if isinstance(value, str):
        return json.loads(value)
    if isinstance(parameter, Float) and parameter.step is not None:
        return _clean(value)
    kinds = {Int: int, Float: float, Boolean: bool}
    return kinds[type(parameter)](value)


def _ends(parameter: ParameterConfig) -> list[Any]:
    """The values that must be possible for all between them to be."""
    return [parameter.low, parameter.high] if isinstance(parameter, Int | Float) else grid_values(parameter)


def _overrides(point: Point) -> list[str]:
    """The point as `plumbline run` takes it on the command line."""
    return [f"{key}={json.dumps(value)}" for key, value in point.items()]


def _switch(tree: dict[str, Any], path: list[str], new: str) -> None:
    """Changes the type of a section, and keeps what was chosen for it and the new type has."""
    section = tree
    for part in path:
        section = section.setdefault(part, {})
    if section.get("type") == new:
        return
    old_fields = fields_of(old) if (old := section_at(Recipe, tree, path)) else {}
    chosen = {
        key: value
        for key, value in section.items()
        if key not in old_fields or value != to_jsonable_python(old_fields[key].default, fallback=repr)
    }
    section["type"] = new
    new_class = section_at(Recipe, tree, path)
    kept = {key: value for key, value in chosen.items() if new_class is None or key in fields_of(new_class)}
    section.clear()
    section.update(kept, type=new)


def _set(tree: dict[str, Any], key: str, value: Any) -> None:
    *path, last = key.split(".")
    node: Any = tree
    for part in path:
        node = node[int(part)] if isinstance(node, list) else node.setdefault(part, {})
    if isinstance(node, list):
        node[int(last)] = value
    else:
        node[last] = value
