"""`plumbline predict`: a registered model answers a file, or a folder of images."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from pipeline.errors import UserError
from pipeline.registry import fetched, find_model
from pipeline.runs import open_existing
from pipeline.serving.client import InputRefusedError, ask
from pipeline.serving.signature import Signature

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif")
READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".csv": pd.read_csv,
    ".parquet": pd.read_parquet,
    ".jsonl": lambda path: pd.DataFrame(map(json.loads, path.read_text(encoding="utf-8").splitlines())),
    ".txt": lambda path: pd.DataFrame({"text": path.read_text(encoding="utf-8").splitlines()}),
    **dict.fromkeys(IMAGES, lambda path: _images([path])),
}
"""File suffix to how its raw examples are read."""


def predict(model: str, path: Path, *, tracking_uri: str | None = None) -> pd.DataFrame:
    """Lets a registered model answer raw examples, in a process of its own with the code that travels with it.

    Args:
        model: `models:/name@alias`, `models:/name/version`, a registered name (its champion, else its latest version),
            or the id of a run.
        path: An image, .csv, .parquet, .jsonl or .txt (a line a text) file, or a folder of images.
        tracking_uri: MLflow store that has the model; by default that of the working directory.

    Returns:
        The answers (`serving/answers.py`), a row an example; the index names the image file, or counts rows.

    Raises:
        UserError: If there is no such model or file, or the file holds other examples than the model takes.
        ServedModelError: If the model cannot be loaded.
    """
    examples = read_examples(path)
    store = open_existing(tracking_uri)
    with fetched(store, find_model(store, model)) as folder:
        signature = Signature.load(folder / "artifacts" / "signature.json")
        try:
            return ask(folder, _of_kind(examples, signature, path)).set_index(examples.index)
        except InputRefusedError as error:
            raise UserError(f"{path}: {error}") from error


def read_examples(path: Path) -> pd.DataFrame:
    """Reads raw examples, one row each.

    Raises:
        UserError: If there is nothing that can be read.
    """
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.suffix.lower() in IMAGES)
        if not files:
            raise UserError(f"{path}: expected a folder with images ({', '.join(IMAGES)}). It has none")
        return _images(files)
    if not path.exists():
        raise UserError(f"{path}: expected a file or a folder. There is none")
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise UserError(f"{path}: expected one of {', '.join(READERS)}. Received: {path.suffix or 'no suffix'}")
    return reader(path)


def _images(files: list[Path]) -> pd.DataFrame:
    return pd.DataFrame({"image": [file.read_bytes() for file in files]}, index=pd.Index(map(str, files), name="file"))


def _of_kind(examples: pd.DataFrame, signature: Signature, path: Path) -> pd.DataFrame:
    """Checks that the examples are of the model's kind; a text file's only column need not be called `text`."""
    if signature.kind == "text" and len(examples.columns) == 1 and "image" not in examples:
        return examples.set_axis(["text"], axis=1)
    needed = [column.name for column in signature.columns] or [signature.kind]
    missing = [name for name in needed if name not in examples]
    if missing:
        raise UserError(
            f"{path}: the model takes {signature.kind} data with {_listed(needed)}. Missing: {_listed(missing)}. "
            f"Received: {_listed(list(examples.columns))}"
        )
    return examples[needed]


def _listed(names: list[str]) -> str:
    return f"column{'s' if len(names) > 1 else ''} {', '.join(names)}"
