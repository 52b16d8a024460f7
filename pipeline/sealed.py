"""Reads the sealed test split: the only way to it. Import contracts (pyproject.toml) keep it to `evaluate`."""

from pathlib import Path

import pyarrow as pa

from pipeline.manifest import TEST_FILE


def read_sealed(folder: Path) -> pa.Table:
    """The test examples, memory-mapped.

    Args:
        folder: `sealed/`, as collect wrote it.
    """
    with pa.memory_map(str(folder / TEST_FILE)) as file:
        return pa.ipc.open_file(file).read_all()
