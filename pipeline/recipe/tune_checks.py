"""What a search's space may not be: keys that no recipe has, ranges without a value."""

from collections.abc import Iterator

from models.section import Section
from pipeline.recipe.errors import Problem, nearest
from pipeline.recipe.schema import fields_of, sections_of
from pipeline.recipe.tree import Recipe
from pipeline.recipe.tune import Float, Int

NOT_SEARCHED = ("name", "tune", "tracking", "register")
"""Sections that say where results go rather than what is trained."""


def check_tune(recipe: Recipe) -> Iterator[Problem]:
    """Finds what is wrong with the `tune` section."""
    if recipe.tune is None:
        return
    known = set(dotted_keys(Recipe))
    for key, parameter in recipe.tune.space.items():
        where = f"tune.space.{key}"
        if key.partition(".")[0] in NOT_SEARCHED:
            yield Problem(where, f"a search cannot change `{key.partition('.')[0]}`")
        elif key not in known and not key.startswith("train.optimizer."):
            yield Problem(where, f"expected a dotted recipe key{nearest(key, known)}")
        if isinstance(parameter, Int | Float):
            if parameter.low >= parameter.high:
                yield Problem(where, f"expected low below high. Received: {parameter.low} and {parameter.high}")
            elif parameter.log and parameter.low <= 0:
                yield Problem(where, f"expected low above 0 with log. Received: {parameter.low}")
        for other in parameter.when:
            if other not in known:
                yield Problem(
                    f"{where}.when", f"expected dotted recipe keys. Received: {other!r}{nearest(other, known)}"
                )


def dotted_keys(section: type[Section], prefix: str = "") -> Iterator[str]:
    """Yields every key that a recipe can have, in any variant."""
    for name, field in fields_of(section).items():
        yield prefix + name
        for inner in sections_of(field.annotation):
            yield from dotted_keys(inner, f"{prefix}{name}.")
