"""One split of the collected examples, read in small batches as often as needed."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.collect.manifest import SPLIT


@dataclass(frozen=True)
class Split:
    """The examples of one split of `development.arrow`, memory-mapped."""

    path: Path
    """The Arrow IPC file."""
    name: str
    """train or validation."""
    batch_size: int
    """Examples that are in memory at once, at most."""

    def batches(self, *columns: str) -> Iterator[pa.RecordBatch]:
        """Yields the examples in the order of the file.

        Args:
            columns: Names of the columns wanted; all when none is given.
        """
        with pa.memory_map(str(self.path)) as source:
            reader = pa.ipc.open_file(source)
            for i in range(reader.num_record_batches):
                batch = reader.get_batch(i)
                own = batch.filter(pc.equal(batch.column(SPLIT), self.name))
                if columns:
                    own = own.select(list(columns))
                for start in range(0, own.num_rows, self.batch_size):
                    yield own.slice(start, self.batch_size)
