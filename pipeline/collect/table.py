"""Tables as a source, from CSV and Parquet files: types of columns inferred, rows converted batch by batch."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.collect.columns import ColumnType, TypeVotes, convert, convert_key, type_of_arrow
from pipeline.collect.delimited import Delimited
from pipeline.collect.source import KEY, ORIGIN, ROWS_PER_BATCH, Rejects, Source
from pipeline.errors import UserError
from pipeline.manifest import ID, LABEL, SPLIT
from pipeline.recipe.data import CsvConfig, ParquetConfig, TableSection
from pipeline.recipe.errors import nearest
from pipeline.serving.description import Column

Rows = Callable[[], Iterable[pa.RecordBatch]]
"""Reads the file from its start: its columns as they are there, and `ORIGIN`."""


def read_csv(section: CsvConfig, rejects: Rejects) -> Source:
    """Reads a CSV file twice: for the types of its columns, then for its rows.

    Raises:
        UserError: If the file is empty, not UTF-8, has another separator, or lacks a column that the recipe names.
    """
    file = Delimited(Path(section.path), section.separator, section.missing)
    _require(section, file.header)
    votes = {name: TypeVotes() for name in file.header}
    for batch in file.batches():
        for name in file.header:
            votes[name].add(batch.column(name))
    inferred = {name: vote.winner() for name, vote in votes.items()}
    return _source(section, inferred, lambda: file.batches(rejects))


def read_parquet(section: ParquetConfig) -> Source:
    """Reads a Parquet file; its types are taken as they are, texts being categories.

    Raises:
        UserError: If it is no Parquet file, or has a column of a type that cannot be learnt from.
    """
    path = Path(section.path)
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(f"{path}: expected a Parquet file. Received: {str(error).splitlines()[0]}") from error
    _require(section, tuple(schema.names))
    inferred = {
        field.name: type_of_arrow(field.type, f"{path.name}: column {field.name}")
        for field in schema
        if field.name not in section.ignore
    }
    return _source(section, inferred, lambda: _parquet_rows(path))


def _parquet_rows(path: Path) -> Iterator[pa.RecordBatch]:
    row = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=ROWS_PER_BATCH):
            origins = pa.array([f"{path.name} row {row + i}" for i in range(1, batch.num_rows + 1)])
            row += batch.num_rows
            yield batch.append_column(ORIGIN, origins)


def label_names(label: str | tuple[str, ...]) -> tuple[str, ...]:
    """The label columns; one, or several 0/1 columns of a multi-label task."""
    return (label,) if isinstance(label, str) else label


def require_columns(path: Path, header: tuple[str, ...], asked: dict[str, str]) -> None:
    """Refuses a recipe that names a column the file lacks.

    Args:
        path: The file.
        header: Its columns.
        asked: Column to the recipe's key that names it.
    """
    for name, key in asked.items():
        if name not in header:
            raise UserError(
                f"{key}: {path} has no column {name!r}{nearest(name, header) or '.'} Its columns: {', '.join(header)}."
            )


def _require(section: TableSection, header: tuple[str, ...]) -> None:
    asked = dict.fromkeys(label_names(section.label), "data.label")
    asked |= dict.fromkeys(section.columns, "data.columns") | dict.fromkeys(section.ignore, "data.ignore")
    if section.split.column is not None:
        asked[section.split.column] = "data.split.column"
    require_columns(Path(section.path), header, asked)
    reserved = {ID, LABEL, SPLIT, ORIGIN, KEY}.intersection(header)
    if reserved:
        raise UserError(
            f"{section.path}: the column {min(reserved)} has a name that Plumbline keeps for itself. Rename it."
        )


def _source(section: TableSection, inferred: dict[str, ColumnType], rows: Rows) -> Source:
    labels, key, path = label_names(section.label), section.split.column, Path(section.path)
    left = {*labels, *section.ignore, key}
    types = inferred | section.columns
    columns = tuple(Column(name, types[name]) for name in inferred if name not in left)
    if not columns:
        raise UserError(f"{path}: no column is left to learn from; there are only {', '.join(sorted(inferred))}.")
    plan = _Plan(columns, labels, types, key, section.split.by)
    notes = ["columns: " + ", ".join(f"{column.name} ({column.type})" for column in columns)]
    if key is not None:
        notes.append(f"column {key} splits the rows and is not learnt from")
    return Source(
        kind="table",
        description=path.name,
        label=labels,
        batches=(plan.record(batch) for batch in rows()),
        classes=labels if len(labels) > 1 else (),
        columns=columns,
        notes=tuple(notes),
    )


@dataclass(frozen=True)
class _Plan:
    """How rows of the file become examples."""

    columns: tuple[Column, ...]
    labels: tuple[str, ...]
    types: dict[str, ColumnType]
    key: str | None
    by: str

    def record(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        origins = batch.column(ORIGIN)
        arrays = {c.name: convert(batch.column(c.name), c.type, c.name, origins) for c in self.columns}
        arrays[LABEL] = self._label(batch)
        arrays[ORIGIN] = origins
        if self.key is not None:
            arrays[KEY] = convert_key(batch.column(self.key), self.by, self.types[self.key], self.key, origins)
        return pa.RecordBatch.from_pydict(arrays)

    def _label(self, batch: pa.RecordBatch) -> pa.Array:
        if len(self.labels) > 1:
            return multi_hot({name: batch.column(name) for name in self.labels}, batch.column(ORIGIN))
        (name,) = self.labels
        if self.types[name] == "boolean" and pa.types.is_string(batch.schema.field(name).type):
            return batch.column(name)  # Written as in the file: yes and no, True and False.
        return convert(batch.column(name), self.types[name], name, batch.column(ORIGIN))


def multi_hot(columns: dict[str, pa.Array], origins: pa.Array) -> pa.Array:
    """Joins label columns of 0 and 1 (or true and false) to one list an example.

    Raises:
        UserError: If a value is something else; names its row.
    """
    hot = []
    for name, column in columns.items():
        numbers = convert(column, "number", name, origins) if not pa.types.is_boolean(column.type) else column
        numbers = numbers.cast(pa.float64())
        wrong = pc.invert(pc.fill_null(pc.is_in(numbers, pa.array([0.0, 1.0])), False)).to_pylist()
        if any(wrong):
            row = wrong.index(True)
            raise UserError(
                f"{origins[row]}: column {name}: expected 0 or 1, as there are several label columns. "
                f"Received: {column[row].as_py()!r}."
            )
        hot.append(numbers.to_numpy(zero_copy_only=False).astype("int8"))
    return pa.array([list(row) for row in zip(*hot, strict=True)], pa.list_(pa.int8()))
