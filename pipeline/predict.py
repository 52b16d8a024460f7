"""`plumbline predict`: a registered model answers a file, or a folder of images."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from pipeline.collect.columns import convert
from pipeline.collect.delimited import Delimited
from pipeline.collect.source import ORIGIN, Rejects
from pipeline.errors import UserError
from pipeline.recipe.data import CsvConfig
from pipeline.registry import fetched, find_model
from pipeline.runs import open_existing
from pipeline.serving.client import InputRefusedError, ask
from pipeline.serving.signature import Signature

MISSING: tuple[str, ...] = CsvConfig.model_fields["missing"].default
"""Texts in a CSV file that mean a missing value."""

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif")


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
    _check_path(path)
    store = open_existing(tracking_uri)
    with fetched(store, find_model(store, model)) as folder:
        signature = Signature.load(folder / "artifacts" / "signature.json")
        examples = read_examples(path, separator=signature.separator, missing=signature.missing or MISSING)
        try:
            return ask(folder, _of_kind(examples, signature, path)).set_index(examples.index)
        except InputRefusedError as error:
            raise UserError(f"{path}: {error}") from error


def read_examples(path: Path, *, separator: str = ",", missing: tuple[str, ...] = MISSING) -> pd.DataFrame:
    """Reads raw examples, one row each.

    Args:
        path: A file, or a folder of images.
        separator: Character between the columns of a CSV file.
        missing: Texts in a CSV file that mean a missing value.

    Raises:
        UserError: If there is nothing that can be read.
    """
    _check_path(path)
    if path.is_dir():
        return _images(sorted(file for file in path.rglob("*") if file.suffix.lower() in IMAGES))
    suffix = path.suffix.lower()
    try:
        return _csv(path, separator, missing) if suffix == ".csv" else READERS[suffix](path)
    except UserError:
        raise
    except (ValueError, OSError) as error:
        raise UserError(
            f"{path}: expected a whole {path.suffix} file. Received: {str(error).splitlines()[0]}"
        ) from error


def _check_path(path: Path) -> None:
    """Refuses what holds no examples, before a model is fetched."""
    if not path.exists():
        raise UserError(f"{path}: expected a file or a folder. There is none")
    if path.is_dir():
        if not any(file.suffix.lower() in IMAGES for file in path.rglob("*")):
            raise UserError(f"{path}: expected a folder with images ({', '.join(IMAGES)}). It has none")
    elif path.suffix.lower() not in (".csv", *READERS):
        expected = ", ".join((".csv", *READERS))
        raise UserError(f"{path}: expected one of {expected}. Received: {path.suffix or 'no suffix'}")


def _csv(path: Path, separator: str, missing: tuple[str, ...]) -> pd.DataFrame:
    """Texts as they are written, read as training reads them; the model's signature says which are numbers."""
    rejects = Rejects("error")
    batches = list(Delimited(path, separator, missing).batches(rejects))
    rejects.settle()
    frame: pd.DataFrame = pa.Table.from_batches(batches).drop_columns([ORIGIN]).to_pandas()
    return frame


def _json_lines(path: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    for row in rows:
        if not isinstance(row, dict):
            raise UserError(f'{path}: expected an object a line, such as {{"text": …}}. Received: {row!r}')
    return rows


def _images(files: list[Path]) -> pd.DataFrame:
    return pd.DataFrame({"image": [file.read_bytes() for file in files]}, index=pd.Index(map(str, files), name="file"))


READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".parquet": pd.read_parquet,
    ".jsonl": lambda path: pd.DataFrame.from_records(_json_lines(path)),
    ".txt": lambda path: pd.DataFrame({"text": path.read_text(encoding="utf-8").splitlines()}),
    **dict.fromkeys(IMAGES, lambda path: _images([path])),
}
"""File suffix to how its raw examples are read; CSV files need to know the separator, too."""


def _of_kind(examples: pd.DataFrame, signature: Signature, path: Path) -> pd.DataFrame:
    """Checks that the examples are of the model's kind; texts may come in the column that training read them from."""
    if signature.kind == "text" and len(examples.columns) == 1 and "image" not in examples:
        return examples.set_axis(["text"], axis=1)
    if signature.kind == "text" and "text" not in examples:
        examples = examples.rename(columns={signature.text: "text"})
    needed = [column.name for column in signature.columns] or [signature.kind]
    missing = [name for name in needed if name not in examples]
    if missing:
        raise UserError(
            f"{path}: the model takes {signature.kind} data with {_listed(needed)}. Missing: {_listed(missing)}. "
            f"Received: {_listed(list(examples.columns))}"
        )
    return _typed(examples[needed], signature, path) if path.suffix.lower() == ".csv" else examples[needed]


def _typed(texts: pd.DataFrame, signature: Signature, path: Path) -> pd.DataFrame:
    """Converts the texts of a CSV file as collect did; the model itself reads booleans and dates."""
    origins = pa.array([f"{path.name} row {row}" for row in range(1, len(texts) + 1)])
    converted = {
        column.name: convert(pa.array(texts[column.name], pa.string()), column.type, column.name, origins).to_pandas()
        for column in signature.columns
        if column.type in ("number", "category")
    }
    return texts.assign(**converted)


def _listed(names: list[str]) -> str:
    return f"column{'s' if len(names) > 1 else ''} {', '.join(names)}"
