"""Names and arguments in a recipe that Keras must know."""

from collections.abc import Iterator
from typing import Any

from models.keras_api import arguments, keras_api
from pipeline.recipe.errors import Problem, nearest


def check_name(group: str, key: str, name: Any) -> Iterator[Problem]:
    """Finds a name that Keras has not.

    Args:
        group: `layers`, `optimizers`, `initializers`, `regularizers` or `activations`.
        key: Where the name stands in the recipe.
        name: What stands there.
    """
    if arguments(group, str(name)) is None:
        article = "an" if group[0] in "aio" else "a"
        guess = nearest(str(name), keras_api()[group])
        yield Problem(key, f"expected the Keras name of {article} {group[:-1]}. Received: {name!r}{guess}")


def check_object(group: str, key: str, name: Any, given: set[str]) -> Iterator[Problem]:
    """Finds what Keras does not know of an object given as `type` with arguments.

    Args:
        group: As in `check_name`.
        key: Where the mapping stands in the recipe.
        name: Value of `type`.
        given: Names of the arguments.
    """
    known = arguments(group, str(name))
    if known is None:
        yield from check_name(group, f"{key}.type", name)
        return
    for argument in sorted(given - set(known)):
        guess = nearest(argument, known) or "."
        yield Problem(f"{key}.{argument}", f"{name} has no such argument{guess} Its arguments: {', '.join(known)}")


def check_identifier(group: str, key: str, value: Any) -> Iterator[Problem]:
    """Finds what Keras does not know of an initialiser or regulariser: a name, or a mapping with `type`."""
    if not isinstance(value, dict):
        yield from check_name(group, key, value)
    elif "type" in value:
        yield from check_object(group, key, value["type"], set(value) - {"type"})
    else:
        yield Problem(key, "expected a name, or {type: name, argument: value}. It has no `type`")
