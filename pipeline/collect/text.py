"""Texts with labels as a source, from CSV and JSON-lines files."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.collect.columns import ColumnType, TypeVotes, convert, convert_key
from pipeline.collect.delimited import Delimited, not_utf8
from pipeline.collect.source import KEY, ORIGIN, ROWS_PER_BATCH, Rejects, Source
from pipeline.collect.table import label_names, multi_hot, require_columns
from pipeline.errors import UserError
from pipeline.manifest import LABEL
from pipeline.recipe.data import TextFileConfig

Rows = Iterator[dict[str, Any]]


def read_text(section: TextFileConfig, rejects: Rejects) -> Source:
    """Reads a .csv or .jsonl file of texts.

    Raises:
        UserError: If the file is of another kind, or lacks a column that the recipe names.
    """
    path = Path(section.path)
    labels = label_names(section.label)
    asked = dict.fromkeys(labels, "data.label") | {section.text: "data.text"}
    if section.split.column is not None:
        asked[section.split.column] = "data.split.column"
    if path.suffix.lower() in (".jsonl", ".ndjson", ".json"):
        batches = _json_batches(path, section, asked, rejects)
    elif path.suffix.lower() in (".csv", ".tsv"):
        batches = _csv_batches(path, section, asked, rejects)
    else:
        raise UserError(f"data.path: expected a .csv or .jsonl file. Received: {path}.")
    return Source(
        kind="text",
        description=path.name,
        label=labels,
        batches=batches,
        classes=labels if len(labels) > 1 else (),
    )


def _csv_batches(
    path: Path, section: TextFileConfig, asked: dict[str, str], rejects: Rejects
) -> Iterator[pa.RecordBatch]:
    file = Delimited(path, "\t" if path.suffix.lower() == ".tsv" else ",")
    require_columns(path, file.header, asked)
    votes = {name: TypeVotes() for name in asked if name != section.text}
    for batch in file.batches():
        for name, vote in votes.items():
            vote.add(batch.column(name))

    def typed(batch: pa.RecordBatch, name: str) -> pa.Array:
        kind = votes[name].winner()
        values = batch.column(name)
        return values if kind == "boolean" else convert(values, kind, name, batch.column(ORIGIN))

    for batch in file.batches(rejects):
        columns = {name: typed(batch, name) for name in votes}
        yield from _examples(section, batch.column(section.text), columns, batch.column(ORIGIN), rejects)


def _json_batches(
    path: Path, section: TextFileConfig, asked: dict[str, str], rejects: Rejects
) -> Iterator[pa.RecordBatch]:
    rows = _json_rows(path, asked, rejects)
    kinds: dict[str, pa.DataType] = {}
    while chunk := list(itertools.islice(rows, ROWS_PER_BATCH)):
        origins = pa.array([row[ORIGIN] for row in chunk])
        given = (row.get(section.text) for row in chunk)
        texts = pa.array([text if isinstance(text, str) else None for text in given], pa.string())
        columns = {}
        for name in asked:
            if name != section.text:
                columns[name] = _json_column([row.get(name) for row in chunk], name, kinds, origins)
        yield from _examples(section, texts, columns, origins, rejects)


def _json_rows(path: Path, asked: dict[str, str], rejects: Rejects) -> Rows:
    """The objects of a JSON-lines file, each with its origin; lines that are none are rejected."""
    first = True
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                origin = f"{path.name}:{number}"
                try:
                    row = json.loads(line) if line.strip() else None
                except json.JSONDecodeError as error:
                    rejects.add(origin, f"not JSON ({error.msg} at place {error.colno})")
                    continue
                if isinstance(row, dict):
                    if first:
                        require_columns(path, tuple(row), asked)
                        first = False
                    yield row | {ORIGIN: origin}
                elif row is not None:
                    rejects.add(origin, f'expected an object, such as {{"text": …}}. Received: {line.strip()[:40]}')
    except UnicodeDecodeError as error:
        raise not_utf8(path) from error


def _json_column(values: list[Any], name: str, kinds: dict[str, pa.DataType], origins: pa.Array) -> pa.Array:
    """One key's values: lists as lists of texts, numbers as float64, texts and booleans as they are."""
    if any(isinstance(value, list) for value in values):
        values = [None if value is None else [str(tag) for tag in _listed(value)] for value in values]
        kind: pa.DataType = pa.list_(pa.string())
    elif all(isinstance(value, int | float) and not isinstance(value, bool) for value in values if value is not None):
        kind = pa.float64()
    else:
        kind = pa.bool_() if all(isinstance(value, bool | None) for value in values) else pa.string()
    kind = kinds.setdefault(name, kind)
    try:
        return pa.array(values, kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        row = next(i for i, value in enumerate(values) if not _holds(kind, value))
        raise UserError(
            f"{origins[row]}: {name}: expected {kind}, as in other rows. Received: {values[row]!r}."
        ) from None


def _holds(kind: pa.DataType, value: Any) -> bool:
    try:
        pa.array([value], kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return False
    return True


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _examples(
    section: TextFileConfig, texts: pa.Array, columns: dict[str, pa.Array], origins: pa.Array, rejects: Rejects
) -> Iterator[pa.RecordBatch]:
    names = label_names(section.label)
    label = multi_hot({n: columns[n] for n in names}, origins) if len(names) > 1 else columns[names[0]]
    arrays = {"text": texts, LABEL: label, ORIGIN: origins}
    if section.split.column is not None:
        key = columns[section.split.column]
        kind: ColumnType = "number" if pa.types.is_floating(key.type) else "date"
        arrays[KEY] = convert_key(key, section.split.by, kind, section.split.column, origins)
    present = pc.fill_null(pc.greater(pc.utf8_length(texts), 0), False)
    for row, there in enumerate(present.to_pylist()):
        if not there:
            rejects.add(origins[row].as_py(), f"expected a text in {section.text}. Received: nothing")
    batch = pa.RecordBatch.from_pydict(arrays).filter(present)
    if batch.num_rows:
        yield batch
