"""The store of stage outputs: what a stage's result depends on, and folders that are there whole or not at all."""

import contextlib
import functools
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.journal import StageResult
from pipeline.whole import write_whole

KEY_LENGTH = 16
"""Hex digits of a key in folder names: 64 bits."""

OPENED = "opened.json"
"""File in the folder of an unfinished stage: what its result depends on, and the run that it is part of."""

PACKAGES = Path(__file__).parent.parent
"""Where `pipeline` and `models` lie side by side, in a checkout as where they are installed."""


@dataclass(frozen=True)
class Ingredients:
    """Everything a stage's result depends on; each ingredient is a mapping, so that a change can be named."""

    recipe: dict[str, Any]
    """Dotted recipe keys that the stage reads, and their values."""
    inputs: dict[str, str]
    """Earlier stage, or `source`, to the fingerprint of its content."""
    code: dict[str, str]
    """Project module to the hash of its code."""
    libraries: dict[str, str]
    """Distribution to its version."""

    @property
    def key(self) -> str:
        """Hash of all ingredients, as hex digits."""
        text = json.dumps(asdict(self), sort_keys=True, ensure_ascii=False, default=str)
        return hashlib.blake2b(text.encode()).hexdigest()[:KEY_LENGTH]

    def changes_since(self, earlier: "Ingredients") -> list[str]:
        """Says what differs, ingredient by ingredient: `recipe: train.epochs 20 → 5`, `code: pipeline.training.fit`."""
        changes = []
        for ingredient, now in asdict(self).items():
            before = asdict(earlier)[ingredient]
            differing = [name for name in now | before if now.get(name) != before.get(name)]
            if differing:
                shown = ", ".join(_change(ingredient, name, before, now) for name in differing[:3])
                rest = f" and {len(differing) - 3} more" if len(differing) > 3 else ""
                changes.append(f"{ingredient}: {shown}{rest}")
        return changes


@dataclass(frozen=True)
class Entry:
    """A stage's result in the store."""

    folder: Path
    ingredients: Ingredients
    result: StageResult
    seconds: float
    """Wall time that the stage took."""
    run_id: str
    """MLflow run that computed it."""

    def save(self, folder: Path) -> None:
        """Writes `entry.json`; its presence in the final folder is what makes the entry whole."""
        tree = {
            "ingredients": asdict(self.ingredients),
            "result": asdict(self.result),
            "seconds": self.seconds,
            "run_id": self.run_id,
        }
        _write_json(folder / "entry.json", tree)


@dataclass(frozen=True)
class Unfinished:
    """What a stopped process left of an entry."""

    folder: Path
    ingredients: Ingredients
    run_id: str
    """The run that it is part of."""


class Cache:
    """The folder `<directory>/stages`: one folder an entry, and for each recipe name the keys of its last run."""

    def __init__(self, directory: Path):
        """Opens the store under `directory`; nothing is written until a stage runs."""
        self.root = directory / "stages"

    @property
    def source_hashes(self) -> Path:
        """File that remembers the hashes of source files, so that those that are unchanged are not read again."""
        return self.root / "sources.json"

    def find(self, stage: str, key: str) -> Entry | None:
        """Returns the entry of a key, or None."""
        return _read(self.root / stage / key)

    def last(self, recipe_name: str, stage: str) -> Entry | None:
        """Returns what the last run of a recipe of this name used for a stage, or None."""
        pointer = self._pointer(recipe_name, stage)
        return self.find(stage, pointer.read_text(encoding="utf-8")) if pointer.exists() else None

    def remember(self, recipe_name: str, stage: str, entry: Entry) -> None:
        """Notes that the last run of a recipe of this name used this entry."""
        pointer = self._pointer(recipe_name, stage)
        pointer.parent.mkdir(parents=True, exist_ok=True)
        write_whole(pointer, entry.ingredients.key)

    @contextlib.contextmanager
    def lock(self, stage: str, key: str) -> Iterator[None]:
        """Holds the one writer's place of an entry; waits for another process that computes the same one."""
        from filelock import FileLock

        folder = self.root / stage
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f".{key}.lock"):
            yield

    def unfinished(self, stage: str, key: str, keeps: str) -> "Unfinished | None":
        """Returns what a process that was stopped left of an entry; None if there is nothing to go on from.

        Args:
            stage: The stage.
            key: Of the entry.
            keeps: Name of the folder in its folder that has what the stage goes on from.
        """
        folder = self._partial(stage, key)
        opened = folder / OPENED
        if not opened.exists() or not any((folder / keeps).glob("*")):
            return None
        tree = json.loads(opened.read_text(encoding="utf-8"))
        return Unfinished(folder, Ingredients(**tree["ingredients"]), tree["run_id"])

    def all_unfinished(self, stage: str, keeps: str) -> list["Unfinished"]:
        """Returns what stopped processes left of any entry of a stage; what a process is writing is not among it."""
        keys = [folder.name[1:].partition(".")[0] for folder in sorted((self.root / stage).glob(".*.partial"))]
        return [found for key in keys if self._is_free(stage, key) and (found := self.unfinished(stage, key, keeps))]

    def discard(self, stage: str, key: str) -> None:
        """Removes what a stopped process left of an entry."""
        shutil.rmtree(self._partial(stage, key), ignore_errors=True)

    def entries(self, stage: str) -> list[Entry]:
        """Returns every entry of a stage."""
        folders = sorted(folder for folder in (self.root / stage).glob("*") if not folder.name.startswith("."))
        return [entry for folder in folders if (entry := _read(folder))]

    @contextlib.contextmanager
    def write(
        self,
        stage: str,
        ingredients: Ingredients,
        run_id: str,
        *,
        keeps: str | None = None,
        origin: Path | None = None,
    ) -> Iterator["Writing"]:
        """Opens a folder for a stage to write into; it becomes the entry when the block sets a result, else it goes.

        Must be called under `lock`. What a killed process left behind is removed first, unless the stage goes on from
        it.

        Args:
            stage: The stage.
            ingredients: What its result depends on.
            run_id: The run that it is part of.
            keeps: Name of a folder in its folder that has what the stage goes on from if it is stopped; None: nothing.
            origin: Folder of another entry whose folder of that name it begins with; None: it begins with nothing.
        """
        final, partial = self.root / stage / ingredients.key, self._partial(stage, ingredients.key)
        try:
            if not (keeps and self.unfinished(stage, ingredients.key, keeps)):
                shutil.rmtree(partial, ignore_errors=True)
                partial.mkdir(parents=True)
                _write_json(partial / OPENED, {"ingredients": asdict(ingredients), "run_id": run_id})
                if keeps and origin:
                    # Under another name first, or a kill would leave the half of it to go on from.
                    shutil.copytree(origin / keeps, partial / f".{keeps}")
                    (partial / f".{keeps}").rename(partial / keeps)
            writing = Writing(partial, time.perf_counter())
            yield writing
            if writing.result is None:
                raise AssertionError(f"stage {stage} ended without a result")
            seconds = time.perf_counter() - writing.started
            writing.entry = Entry(final, ingredients, writing.result, seconds, run_id)
            writing.entry.save(partial)
            _replace(final, partial)
        finally:
            if not (keeps and self.unfinished(stage, ingredients.key, keeps)):
                shutil.rmtree(partial, ignore_errors=True)

    def _is_free(self, stage: str, key: str) -> bool:
        from filelock import FileLock, Timeout

        try:
            with FileLock(self.root / stage / f".{key}.lock", timeout=0):
                return True
        except Timeout:
            return False

    def _partial(self, stage: str, key: str) -> Path:
        return self.root / stage / f".{key}.partial"

    def _pointer(self, recipe_name: str, stage: str) -> Path:
        return self.root / "last" / recipe_name / stage


def _write_json(file: Path, tree: dict[str, Any]) -> None:
    """Writes a file and waits until the disk has it."""
    with file.open("w", encoding="utf-8") as stream:
        json.dump(tree, stream, indent=2, ensure_ascii=False)
        stream.flush()
        os.fsync(stream.fileno())


@dataclass
class Writing:
    """A stage's folder while the stage runs."""

    folder: Path
    started: float
    result: StageResult | None = None
    entry: Entry | None = None


def _read(folder: Path) -> Entry | None:
    file = folder / "entry.json"
    if not file.exists():
        return None
    tree = json.loads(file.read_text(encoding="utf-8"))
    return Entry(
        folder, Ingredients(**tree["ingredients"]), StageResult(**tree["result"]), tree["seconds"], tree["run_id"]
    )


def _replace(final: Path, partial: Path) -> None:
    """Renames the new folder into place; an entry that is computed again (`--force`) makes way first."""
    old = final.with_name(f".{final.name}.old")
    shutil.rmtree(old, ignore_errors=True)  # a killed process may have left it
    if final.exists():
        final.rename(old)
    partial.rename(final)
    shutil.rmtree(old, ignore_errors=True)


def _change(ingredient: str, name: str, before: dict[str, Any], now: dict[str, Any]) -> str:
    if ingredient in ("recipe", "libraries"):
        return f"{name} {before.get(name, 'unset')} → {now.get(name, 'unset')}"
    return name


def library_versions(names: Iterable[str]) -> dict[str, str]:
    """Returns the installed version of each distribution, and of Python."""
    import platform
    from importlib.metadata import version

    return {"python": platform.python_version(), **{name: version(name) for name in names}}


def code_hashes(*packages: str) -> dict[str, str]:
    """Hashes the project modules that modules or packages import, themselves included, directly or not.

    Comments, docstrings and formatting do not count: the hash is of the syntax tree.
    """
    graph = _import_graph()
    modules = set(packages)
    for package in packages:
        modules |= graph.find_upstream_modules(package, as_package=True) | graph.find_descendants(package)
    return {module: _code_hash(module) for module in sorted(modules)}


@functools.cache
def _import_graph() -> Any:
    import grimp

    return grimp.build_graph("pipeline", "models", cache_dir=None)


@functools.cache
def _code_hash(module: str) -> str:
    path = PACKAGES.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return source_hash(file.read_text(encoding="utf-8"))


def source_hash(source: str) -> str:
    """Hashes Python source by its syntax tree, without docstrings."""
    import ast

    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            node.value.value = None
    return hashlib.blake2b(ast.dump(tree).encode(), digest_size=8).hexdigest()
