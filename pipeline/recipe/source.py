"""A recipe as it was written: YAML and command-line overrides, with the place of each key."""

import reprlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pipeline.errors import UserError
from pipeline.recipe.errors import Problem, RecipeError, nearest

BUILT_IN = Path(__file__).parent.parent / "recipes"


@dataclass(frozen=True)
class Source:
    """A recipe before it is checked."""

    tree: dict[str, Any]
    """Plain mappings, lists and scalars."""
    where: dict[str, str]
    """Dotted key to its place: `digits.yaml:7`, `command line`; `""` is the recipe as a whole."""
    folder: Path
    """What relative paths in the file are relative to."""
    overridden: frozenset[str]
    """Dotted keys given on the command line; paths there are relative to the working directory."""


def built_in_recipes() -> dict[str, Path]:
    """Returns the name and the file of each recipe that comes with Plumbline."""
    return {path.stem: path for path in sorted(BUILT_IN.glob("*.yaml"))}


def read_source(recipe: str | Path | dict[str, Any], overrides: Sequence[str] = ()) -> Source:
    """Reads a recipe and lays the overrides over it.

    Args:
        recipe: The name of a built-in recipe, the path of a YAML file, or the tree itself.
        overrides: `dotted.key=value`, the value in YAML (`train.epochs=5`, `model.filters=[16, 32]`).

    Raises:
        RecipeError: If the YAML cannot be read, or an override is not of that form.
        UserError: If there is no such recipe.
    """
    if isinstance(recipe, dict):
        source = Source(_plain(recipe), {"": "recipe"}, Path.cwd(), frozenset())
    else:
        source = _read_file(_find(recipe))
    return _override(source, overrides)


def _find(recipe: str | Path) -> Path:
    built_in = built_in_recipes()
    if str(recipe) in built_in:
        return built_in[str(recipe)]
    path = Path(recipe).expanduser()
    if path.is_file():
        return path
    if path.is_dir():
        raise UserError(f"{recipe}: expected the path of a YAML file. Received: a folder")
    looks_like_path = path.suffix in (".yaml", ".yml") or len(path.parts) > 1
    if looks_like_path or path.exists():
        raise UserError(f"{recipe}: expected a recipe file. There is no such file in {Path.cwd()}.")
    raise UserError(
        f"{recipe}: expected a built-in recipe ({', '.join(built_in)}) or the path of a YAML file"
        f"{nearest(str(recipe), built_in)}"
    )


def _read_file(path: Path) -> Source:
    from ruamel.yaml.comments import CommentedMap
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        loaded = _parse(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise RecipeError([Problem("", f"expected UTF-8 text. Received: {error}")], {"": path.name}) from None
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        problem = (error.problem or str(error)).splitlines()[0]
        raise RecipeError([Problem("", f"not valid YAML: {problem}")], {"": f"{path.name}:{line}"}) from None
    except YAMLError as error:
        problem = " ".join(str(error).split())
        raise RecipeError([Problem("", f"not valid YAML: {problem}")], {"": path.name}) from None
    if not isinstance(loaded, CommentedMap):
        came = "an empty file" if loaded is None else reprlib.repr(loaded)
        problem = Problem("", f"expected sections such as `name:`, `data:`, `model:`. Received: {came}")
        raise RecipeError([problem], {"": path.name})
    where = {"": path.name}
    _note_lines(loaded, "", path.name, where)
    return Source(_plain(loaded), where, path.parent.resolve(), frozenset())


def _parse(text: str) -> Any:
    """Parses YAML 1.2 (so that 1e-3 is a number); the round-trip loader constructs no Python objects and has lines."""
    from ruamel.yaml import YAML

    return YAML(typ="rt").load(text)


def _note_lines(node: Any, prefix: str, file: str, where: dict[str, str]) -> None:
    tag = getattr(getattr(node, "tag", None), "value", None)
    if tag:
        key = prefix.rstrip(".")
        raise RecipeError([Problem(key, f"expected plain YAML. Received the tag {tag}")], where)
    if isinstance(node, dict | list):
        keys: Iterable[Any] = node if isinstance(node, dict) else range(len(node))
        lines = cast(Any, node).lc.data or {}
        for key in keys:
            if key in lines:  # A key that comes by a merge (`<<: *base`) has the place of its section.
                where[f"{prefix}{key}"] = f"{file}:{lines[key][0] + 1}"
            _note_lines(node[key], f"{prefix}{key}.", file, where)


def _plain(node: Any) -> Any:
    """Turns what the YAML loader gives (subclasses that remember their spelling) into plain Python values."""
    if isinstance(node, dict):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_plain(item) for item in node]
    if isinstance(node, bool) or node is None:
        return node
    if type(node).__name__ == "ScalarBoolean":  # With an anchor; a kind of int.
        return bool(node)
    for plain in (int, float, str):
        if isinstance(node, plain):
            return plain(node)
    return node


def _override(source: Source, overrides: Sequence[str]) -> Source:
    from ruamel.yaml.error import YAMLError

    tree, where, problems = source.tree, dict(source.where), []
    overridden: set[str] = set()
    for override in overrides:
        key, equals, text = override.partition("=")
        key = key.strip()
        where = {known: place for known, place in where.items() if not known.startswith(f"{key}.")}
        where[key] = "command line"
        try:
            given = _parse(text)
            _note_lines(given, f"{key}.", "", {"": "", key: "command line"})
            value = _plain(given)
        except YAMLError:
            problems.append(Problem(key, f"expected a value in YAML. Received: {text!r}"))
            continue
        if not equals or not key:
            problems.append(Problem(key, f"expected key=value, such as train.epochs=5. Received: {override!r}"))
        elif not _set(tree, key.split("."), value):
            problems.append(Problem(key, f"there is nothing at `{key.rpartition('.')[0]}` that has keys"))
        overridden.add(key)
    if problems:
        raise RecipeError(problems, where)
    return Source(tree, where, source.folder, frozenset(overridden))


def _set(tree: Any, parts: list[str], value: Any) -> bool:
    """Sets a value at a path, making sections on the way; says whether the path can exist."""
    for part in parts[:-1]:
        if isinstance(tree, dict):
            if tree.get(part) is None:
                tree[part] = {}
            tree = tree[part]
        elif isinstance(tree, list) and part.isdigit() and int(part) < len(tree):
            tree = tree[int(part)]
        else:
            return False
    if isinstance(tree, dict):
        tree[parts[-1]] = value
    elif isinstance(tree, list) and parts[-1].isdigit() and int(parts[-1]) < len(tree):
        tree[int(parts[-1])] = value
    else:
        return False
    return True
