"""CSV files read row by row, with the line of everything that is wrong in them."""

import csv
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.collect.source import ORIGIN, ROWS_PER_BATCH, Rejects
from pipeline.errors import UserError

_SEPARATORS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}


class Delimited:
    """A CSV file with a header.

    Args:
        path: The file, UTF-8.
        separator: Character between columns.
        missing: Texts that mean a missing value.

    Raises:
        UserError: If it is empty, has no rows, is not UTF-8, repeats a column, or seems to have another separator.
    """

    def __init__(self, path: Path, separator: str = ",", missing: tuple[str, ...] = ("",)) -> None:
        self._path, self._separator, self._missing = path, separator, pa.array(missing)
        with _opened(path) as file:
            rows = csv.reader(file, delimiter=separator, strict=True)
            header, first = next(rows, None), next(rows, None)
        if not header:
            raise UserError(f"{path}: the file is empty: expected a header and rows.")
        if first is None:
            raise UserError(f"{path}: expected rows after the header. Received: none.")
        self.header = tuple(name.strip() or f"column_{place}" for place, name in enumerate(header, 1))
        self._refuse_repeats()
        self._refuse_other_separator()

    def _refuse_repeats(self) -> None:
        for name in self.header:
            if self.header.count(name) > 1:
                raise UserError(f"{self._path}:1: two columns are named {name!r}. Rename one.")

    def _refuse_other_separator(self) -> None:
        if len(self.header) == 1:
            for character, words in _SEPARATORS.items():
                if character in self.header[0]:
                    raise UserError(
                        f"{self._path}:1: expected columns between {_SEPARATORS.get(self._separator, self._separator)}"
                        f". Received: one column, {self.header[0]!r}. It looks like {words}: set "
                        f"`separator: {character!r}`."
                    )

    def batches(self, rejects: Rejects | None = None) -> Iterator[pa.RecordBatch]:
        """Reads the file from its start.

        Args:
            rejects: Where rows with too few or too many values are named; None leaves them out quietly, for a first
                look at the file.

        Yields:
            Columns of texts without spaces around them, null where missing, and `ORIGIN` (`wine.csv:12`).
        """
        with _opened(self._path) as file:
            reader = csv.reader(file, delimiter=self._separator, strict=True)
            next(reader)
            rows = self._whole_rows(reader, rejects)
            while chunk := list(itertools.islice(rows, ROWS_PER_BATCH)):
                yield self._record(chunk)

    def _whole_rows(self, reader: Iterator[list[str]], rejects: Rejects | None) -> Iterator[list[str]]:
        """Rows of the right length, each with its origin at the end."""
        for row in reader:
            origin = f"{self._path.name}:{reader.line_num}"  # type: ignore[attr-defined]
            if len(row) == len(self.header):
                row.append(origin)
                yield row
            elif row and rejects is not None:
                rejects.add(origin, f"expected {len(self.header)} values, as in the header. Received: {len(row)}")

    def _record(self, rows: list[list[str]]) -> pa.RecordBatch:
        *columns, origins = (pa.array(values, pa.string()) for values in zip(*rows, strict=True))
        arrays = [self._clean(column) for column in columns]
        return pa.RecordBatch.from_arrays([*arrays, origins], names=[*self.header, ORIGIN])

    def _clean(self, column: pa.Array) -> pa.Array:
        trimmed = pc.utf8_trim_whitespace(column)
        return pc.if_else(pc.is_in(trimmed, self._missing), None, trimmed)


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    """Opens the file, and turns what its text can have wrong into messages."""
    if not path.is_file():
        raise UserError(f"data.path: expected a file. Received: {path}, which is none.")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield file
    except UnicodeDecodeError as error:
        raise not_utf8(path) from error
    except csv.Error as error:
        raise UserError(f"{path}: not a well-formed CSV file ({error}).") from error


def not_utf8(path: Path) -> UserError:
    """The error for a text file in another encoding, with the first line that is not UTF-8."""
    with path.open("rb") as file:
        for line, content in enumerate(file, 1):
            try:
                content.decode("utf-8")
            except UnicodeDecodeError as error:
                byte = content[error.start]
                return UserError(
                    f"{path}:{line}: expected UTF-8. Received: byte 0x{byte:02x} at place {error.start + 1}. "
                    "Convert the file, for example with `iconv -f latin1 -t utf-8`."
                )
    raise AssertionError("the file as a whole is not UTF-8, so that one of its lines is not")
