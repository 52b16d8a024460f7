"""Questions about the schema: which keys a place has, and what a value there must be."""

import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from models.section import Section


def sections_of(annotation: Any) -> list[type[Section]]:
    """Returns the section classes that a field can hold: several for a choice by `type`."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    if get_origin(annotation) in (Annotated, Union, types.UnionType, tuple, list, dict):
        return [section for arg in get_args(annotation) for section in sections_of(arg)]
    return []


def fields_of(section: type[Section]) -> dict[str, FieldInfo]:
    """Returns the keys of a section, as they are written in YAML."""
    return {field.alias or name: field for name, field in section.model_fields.items()}


def tag_of(section: type[Section]) -> str | None:
    """Returns the `type` that chooses this section among others; None where there is no choice."""
    field = section.model_fields.get("type")
    if field is not None and get_origin(field.annotation) is Literal:
        return str(get_args(field.annotation)[0])
    return None


def section_at(root: type[Section], tree: Any, path: list[str]) -> type[Section] | None:
    """Returns the section class that the value at `path` of `tree` should be; None if none or not decided."""
    candidates, is_mapping = [root], False
    for part in [*path, None]:
        if is_mapping and part is not None:
            tree, is_mapping = tree.get(part) if isinstance(tree, dict) else None, False
            continue
        if len(candidates) > 1:
            tag = tree.get("type") if isinstance(tree, dict) else None
            candidates = [c for c in candidates if tag_of(c) == tag] if not isinstance(tree, list) else candidates
        if part is None:
            return candidates[0] if len(candidates) == 1 else None
        if isinstance(tree, list):
            tree = tree[int(part)]
            continue
        field = fields_of(candidates[0]).get(part) if len(candidates) == 1 else None
        if field is None:
            return None
        candidates, is_mapping = sections_of(field.annotation), _is_mapping(field.annotation)
        tree = tree.get(part) if isinstance(tree, dict) else None
    return None


def _is_mapping(annotation: Any) -> bool:
    """Whether a field holds sections by name, as `tune.space` does."""
    if get_origin(annotation) is Annotated:
        return _is_mapping(get_args(annotation)[0])
    return get_origin(annotation) is dict


def expected(field: FieldInfo) -> str:
    """Says in words what a field takes: `a number in [0, 1)`, `one of warn, error`, `a list, each a text`."""
    return _in_words(field.annotation, field.metadata)


def _in_words(annotation: Any, metadata: list[Any]) -> str:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        inner = [m for arg in args[1:] for m in (arg.metadata if isinstance(arg, FieldInfo) else [arg])]
        return _in_words(args[0], [*metadata, *inner])
    if origin in (Union, types.UnionType):
        tags = [tag for section in sections_of(annotation) if (tag := tag_of(section))]
        if tags:
            return f"a mapping with `type:` one of {', '.join(tags)}"
        return " or ".join("null" if arg is type(None) else _in_words(arg, metadata) for arg in args)
    if origin is Literal:
        return f"one of {', '.join(map(str, args))}" if len(args) > 1 else f"`{args[0]}`"
    if origin is tuple:
        items = _in_words(args[0], [])
        if args[-1] is not Ellipsis:
            return f"a list of {len(args)}: each {items}"
        return f"a list, each {items}"
    if origin is dict:
        return f"a mapping of names, each to {_in_words(args[1], [])}"
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return f"a mapping with keys {', '.join(fields_of(annotation))}"
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
    return words.get(annotation, "a value") + _range(metadata)


def _range(metadata: list[Any]) -> str:
    low = next(((m.ge, "[") if isinstance(m, Ge) else (m.gt, "(") for m in metadata if isinstance(m, Ge | Gt)), None)
    high = next(((m.le, "]") if isinstance(m, Le) else (m.lt, ")") for m in metadata if isinstance(m, Le | Lt)), None)
    if low and high:
        return f" in {low[1]}{low[0]}, {high[0]}{high[1]}"
    if low:
        return f" of {low[0]} or more" if low[1] == "[" else f" above {low[0]}"
    if high:
        return f" of {high[0]} or less" if high[1] == "]" else f" below {high[0]}"
    return ""
