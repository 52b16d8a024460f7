"""One split of the collected examples, read in small batches as often as needed."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.examples import Examples
from pipeline.manifest import SPLIT


@dataclass(frozen=True)
class Split:
    """The examples of one split of `development/examples.arrow`, memory-mapped."""

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
        for stored in Examples(self.path).batches():
            is_own = pc.equal(stored.column(SPLIT), self.name)
            wanted = stored.select(list(columns)) if columns else stored
            own = wanted.filter(is_own)
            for start in range(0, own.num_rows, self.batch_size):
                yield own.slice(start, self.batch_size)
