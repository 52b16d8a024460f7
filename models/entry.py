"""The user's code of a custom model: where it lies, which files it consists of. No Keras here, and nothing is run."""

import ast
import importlib.util
from collections.abc import Iterator
from pathlib import Path

from models.errors import ModelError

OURS = ("models", "pipeline", "tuning")
"""Packages of Plumbline, whose names are taken."""


def split_entry(entry: str) -> tuple[str, str]:
    """Splits `package.module:function` into module and function.

    Raises:
        ModelError: If it is not of that form, or has the name of one of Plumbline's packages.
    """
    module, _, function = entry.partition(":")
    names = [*module.split("."), function]
    if not all(name.isidentifier() for name in names):
        raise ModelError(f"model.entry: expected package.module:function. Received: {entry!r}")
    if names[0] in OURS:
        raise ModelError(f"model.entry: `{names[0]}` is a package of Plumbline; give yours another name")
    return module, function


def module_file(folder: Path, module: str) -> Path | None:
    """Returns the file of a module that lies in `folder`, or None."""
    path = folder.joinpath(*module.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def source_files(entry: str, folder: str | None) -> dict[str, Path]:
    """Finds the files that a custom model is made by: its module and, of the same place, all that this imports.

    Args:
        entry: `package.module:function`.
        folder: Where the module lies; None: it is of an installed package, and other packages do not count.

    Returns:
        Name of each module to its file.

    Raises:
        ModelError: If there is no such module, or a file of it is no Python.
    """
    module, _ = split_entry(entry)
    root = Path(folder) if folder else _installed(module)
    if root is None or module_file(root, module) is None:
        where = folder or "beside the recipe, in the working directory or among the installed packages"
        raise ModelError(f"model.entry: expected a module. There is no `{module}` {'in ' if folder else ''}{where}")
    only = None if folder else module.split(".")[0]
    found: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        top = name.split(".")[0]
        file = None if name in found or top in OURS or only not in (None, top) else module_file(root, name)
        if file:
            found[name] = file
            waiting += [*_imports(file, name), *([name.rpartition(".")[0]] if "." in name else [])]
    return dict(sorted(found.items()))


def _installed(module: str) -> Path | None:
    spec = importlib.util.find_spec(module.split(".")[0])
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent.parent if spec.submodule_search_locations else Path(spec.origin).parent


def _imports(file: Path, module: str) -> Iterator[str]:
    """Names that a file imports; of `from a import b` both `a` and `a.b`, as `b` may be a module."""
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError) as error:
        raise ModelError(f"model.entry: {file.name} is no Python: {error}") from error
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
