"""From YAML and overrides to a checked, fully resolved recipe, or to one error with every problem in it."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from models.entry import module_file
from pipeline.recipe import preprocess
from pipeline.recipe.checks import check
from pipeline.recipe.data import KINDS, TASKS
from pipeline.recipe.errors import Problem, RecipeError, nearest
from pipeline.recipe.evaluate import DEFAULTS
from pipeline.recipe.names import NAME_IN_WORDS
from pipeline.recipe.schema import expected, fields_of, section_at, tag_of
from pipeline.recipe.source import Source, read_source
from pipeline.recipe.tree import Recipe

PATH_KEYS = ("path", "data_dir")
"""Keys of `data` that are paths, relative to the recipe's file."""

MODEL_FILES = {"source": (".keras",), "weights": (".h5",)}
"""Keys of `model` to the endings by which they are such paths too."""


def load_recipe(recipe: str | Path | dict[str, Any], overrides: Sequence[str] = ()) -> Recipe:
    """Loads, checks and resolves a recipe; imports neither TensorFlow nor MLflow.

    Args:
        recipe: The name of a built-in recipe, the path of a YAML file, or the tree itself.
        overrides: `dotted.key=value` with the value in YAML, as on the command line.

    Returns:
        The recipe with every default filled in that does not depend on the data itself. Dumped and loaded again it is
        the same recipe.

    Raises:
        RecipeError: With every problem of the recipe, each with its place.
        UserError: If there is no such recipe.
    """
    source = read_source(recipe, overrides)
    _make_paths_absolute(source)
    _find_custom_code(source)
    _name_schedule(source.tree)
    try:
        validated = Recipe.model_validate(source.tree)
    except ValidationError as error:
        problems = _problems(error, source.tree)
        raise RecipeError([*problems, *_checks_of_the_rest(source.tree, problems)], source.where) from None
    problems = check(validated)
    if problems:
        raise RecipeError(problems, source.where)
    return resolve(validated)


def schema_problems(tree: dict[str, Any]) -> list[Problem]:
    """Finds keys that no recipe has and values that a key never takes; combinations are not judged."""
    try:
        Recipe.model_validate(tree)
    except ValidationError as error:
        return _problems(error, tree)
    return []


def resolve(recipe: Recipe) -> Recipe:
    """Fills in the defaults that depend on other keys: names, and what the kind of data and the task imply."""
    tree = recipe.model_dump(by_alias=True)
    kind, task = KINDS.get(recipe.data.type), TASKS.get(recipe.data.type, recipe.data.task)
    for key in PATH_KEYS:
        if key in tree["data"]:
            tree["data"][key] = str(Path(tree["data"][key]).expanduser())
    if kind:
        tree["preprocess"] = preprocess.resolve(recipe.preprocess, kind).model_dump()
    if task != "auto":
        tree["data"]["task"] = task
        tree["evaluate"]["metrics"] = recipe.evaluate.metrics or DEFAULTS[task]
    tree["register"]["name"] = recipe.register_.name or recipe.name
    tree["tracking"]["experiment"] = recipe.tracking.experiment or recipe.name
    return Recipe.model_validate(tree)


def dump_recipe(recipe: Recipe) -> str:
    """Writes a recipe as YAML, `type` first in each section, keys without a value left out."""
    import io

    from ruamel.yaml import YAML

    def ordered(node: Any) -> Any:
        if isinstance(node, dict):
            first = {"type": node["type"]} if "type" in node else {}
            return {key: ordered(value) for key, value in (first | node).items()}
        return [ordered(item) for item in node] if isinstance(node, list) else node

    yaml = YAML()
    yaml.width = 120
    yaml.default_flow_style = None
    stream = io.StringIO()
    yaml.dump(ordered(recipe.model_dump(by_alias=True, exclude_none=True, mode="json")), stream)
    return stream.getvalue()


def _name_schedule(tree: dict[str, Any]) -> None:
    """A schedule that does not say which is constant: its warmup may be all that one wants of it."""
    train = tree.get("train")
    if isinstance(train, dict) and isinstance(schedule := train.get("schedule"), dict):
        train["schedule"] = {"type": "constant", **schedule}


def _make_paths_absolute(source: Source) -> None:
    for section, keys in (("data", dict.fromkeys(PATH_KEYS, ("",))), ("model", MODEL_FILES)):
        tree = source.tree.get(section)
        if not isinstance(tree, dict):
            continue
        for key, endings in keys.items():
            if isinstance(tree.get(key), str) and tree[key].endswith(endings):
                base = Path.cwd() if {section, f"{section}.{key}"} & source.overridden else source.folder
                tree[key] = str((base / Path(tree[key]).expanduser()).resolve())


def _find_custom_code(source: Source) -> None:
    """Makes the folder of a custom model absolute, or fills it in: beside the recipe, else the working directory."""
    model = source.tree.get("model")
    if not isinstance(model, dict) or model.get("type") != "custom" or not isinstance(model.get("entry"), str):
        return
    if isinstance(model.get("folder"), str):
        base = Path.cwd() if {"model", "model.folder"} & source.overridden else source.folder
        model["folder"] = str((base / Path(model["folder"]).expanduser()).resolve())
    elif model.get("folder") is None:
        folders = (source.folder.resolve(), Path.cwd())
        module = model["entry"].partition(":")[0]
        model["folder"] = next((str(folder) for folder in folders if module_file(folder, module)), None)


def _problems(error: ValidationError, tree: dict[str, Any]) -> list[Problem]:
    by_key: dict[str, Problem] = {}
    for details in error.errors():
        problem = _problem(details, tree)
        by_key.setdefault(problem.key, problem)
    return list(by_key.values())


def _problem(details: ErrorDetails, tree: dict[str, Any]) -> Problem:
    path, value = _walk(tree, details["loc"])
    if details["type"] == "union_tag_invalid":
        return Problem(".".join([*path, "type"]), _wrong_type(value, details))
    key = ".".join(path)
    parent_path, name = path[:-1], path[-1] if path else ""
    parent = section_at(Recipe, tree, parent_path)
    fields = fields_of(parent) if parent else {}
    if details["type"] == "extra_forbidden":
        return Problem(key, _unknown(name, parent))
    if details["type"] == "missing":
        return Problem(key, f"required, but missing: {_meaning(fields[name])}" if name in fields else "required")
    if name not in fields:
        item = fields_of(parent_of_item).get(parent_path[-1]) if (parent_of_item := _owner(tree, parent_path)) else None
        return Problem(key, _mismatch(item, value, details) if item else f"{details['msg']}. Received: {value!r}")
    return Problem(key, _mismatch(fields[name], value, details))


def _owner(tree: dict[str, Any], path: list[str]) -> Any:
    """The section that has the list in which an item is wrong."""
    return section_at(Recipe, tree, path[:-1]) if path else None


def _unknown(name: str, parent: Any) -> str:
    if parent is None:
        return "unknown key"
    suffix = f" of `type: {tag}`" if (tag := tag_of(parent)) else ""
    return f"unknown key{suffix}{nearest(name, fields_of(parent)) or '.'} Keys here: {', '.join(fields_of(parent))}"


def _meaning(field: Any) -> str:
    return (field.description or "").split("\n")[0].rstrip(".;")


def _mismatch(field: Any, value: Any, details: ErrorDetails) -> str:
    wanted = expected(field)
    if details["type"] == "literal_error":
        return f"expected {wanted}. Received: {value!r}{nearest(str(value), _choices(details))}"
    if details["type"] == "string_pattern_mismatch":
        wanted = NAME_IN_WORDS
    if details["type"] == "too_short":
        wanted = "at least one entry"
    if details["type"] in ("string_too_short", "string_too_long"):
        wanted = "one character"
    return f"expected {wanted}. Received: {value!r}"


def _wrong_type(value: Any, details: ErrorDetails) -> str:
    choices = [tag.strip("' ") for tag in details["ctx"]["expected_tags"].split(",")]
    return f"expected one of {', '.join(choices)}. Received: {value['type']!r}{nearest(str(value['type']), choices)}"


def _choices(details: ErrorDetails) -> list[str]:
    return [word.strip(" '") for word in details["ctx"]["expected"].replace(" or ", ",").split(",")]


def _walk(tree: Any, loc: Iterable[int | str]) -> tuple[list[str], Any]:
    """Follows pydantic's location, which names the chosen `type` after each choice, through the recipe's tree."""
    path: list[str] = []
    just_entered = False
    for part in loc:
        if isinstance(tree, dict):
            if just_entered and part == tree.get("type"):
                just_entered = False
                continue
            path.append(str(part))
            tree = tree.get(str(part))
        elif isinstance(tree, list) and isinstance(part, int):
            path.append(str(part))
            tree = tree[part]
        just_entered = isinstance(tree, dict)
    return path, tree


def _checks_of_the_rest(tree: dict[str, Any], problems: list[Problem]) -> list[Problem]:
    """Checks combinations as far as they can be judged: with the keys that are wrong left to their defaults."""
    for problem in problems:
        _remove(tree, problem.key.split("."))
    try:
        return check(Recipe.model_validate({"name": "unnamed"} | tree))
    except ValidationError:
        return []


def _remove(tree: Any, parts: list[str]) -> None:
    """Takes a wrong key out; a list goes as a whole."""
    for part, following in zip(parts, [*parts[1:], ""], strict=True):
        if not isinstance(tree, dict):
            return
        if not following or isinstance(tree.get(part), list):
            tree.pop(part, None)
            return
        tree = tree.get(part)
