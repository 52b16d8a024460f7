"""The store of examples: Arrow IPC files, written batch by batch, read memory-mapped at any row."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa

from pipeline.manifest import SEALED


class ExampleWriter:
    """Appends record batches to an Arrow IPC file; the schema is that of the first batch."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: pa.ipc.RecordBatchFileWriter | None = None
        self.num_examples = 0

    def __enter__(self) -> "ExampleWriter":
        return self

    def write(self, batch: pa.RecordBatch) -> None:
        """Appends the rows of `batch`."""
        if self._writer is None:
            self._writer = pa.ipc.new_file(self._path, batch.schema)
        self._writer.write_batch(batch)
        self.num_examples += batch.num_rows

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._writer is not None:
            self._writer.close()


class Examples:
    """Reads an Arrow IPC file that `ExampleWriter` wrote; memory-mapped, so that only rows asked for are read.

    Args:
        path: The file.

    Raises:
        PermissionError: If it is the sealed test split.
    """

    def __init__(self, path: Path) -> None:
        if path.parent.name == SEALED:
            raise PermissionError(f"{path}: expected examples of development. The test split is read by evaluate alone")
        self._reader = pa.ipc.open_file(pa.memory_map(str(path)))
        self._batches = [self._reader.get_batch(i) for i in range(self._reader.num_record_batches)]
        self._starts = np.cumsum([0, *(batch.num_rows for batch in self._batches)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def schema(self) -> pa.Schema:
        """Names and types of the columns."""
        return self._reader.schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yields the stored record batches in order."""
        yield from self._batches

    def column(self, name: str) -> pa.ChunkedArray:
        """One column of all examples, still in the file."""
        return pa.chunked_array([batch.column(name) for batch in self._batches], self.schema.field(name).type)

    def take(self, indices: Sequence[int] | np.ndarray) -> pa.Table:
        """Reads rows by index.

        Args:
            indices: Integers in [0, len(self)), in any order, repeats allowed.

        Returns:
            The rows in the order of `indices`.
        """
        rows = np.asarray(indices, dtype=np.int64)
        order = np.argsort(rows, kind="stable")
        owners = np.searchsorted(self._starts, rows[order], side="right") - 1
        parts = [
            self._batches[owner].take(pa.array(rows[order][owners == owner] - self._starts[owner]))
            for owner in np.unique(owners)
        ]
        gathered = pa.Table.from_batches(parts, self.schema).combine_chunks()
        return gathered.take(pa.array(np.argsort(order, kind="stable")))
