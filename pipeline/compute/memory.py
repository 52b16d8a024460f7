"""Memory of this process: what it has taken at most, what is free, and a limit for a process that may fail."""

import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import tensorflow as tf

CGROUP = Path("/sys/fs/cgroup")
"""Where a container's limit stands."""

CGROUPS = (
    ("memory.max", "memory.current", "memory.stat", ""),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat", "total_"),
)
"""Files of limit, use and statistics of cgroup v2 and v1, and how names of the whole group begin in the last."""

FREE_SHARE = 0.9
"""Share of the free memory that a training may take: the rest is for what else the machine does meanwhile."""


def peak_bytes() -> int:
    """The most memory taken so far: of the GPU where there is one, else of this process (its resident set).

    The latter holds the libraries and the data too, and what earlier stages took in the same process.
    """
    if tf.config.list_physical_devices("GPU"):
        return int(tf.config.experimental.get_memory_info("GPU:0")["peak"])
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def available_bytes() -> int:
    """What a training may take of the memory that is free now, on this machine and in this container."""
    return int(FREE_SHARE * min(most - used for most, used in _limits()))


def total_bytes() -> int:
    """All memory there is for this process and others, on this machine and in this container."""
    return min(most for most, _ in _limits())


def used_share() -> float:
    """Share of the memory in use, of this machine or of this container: the larger one."""
    return max(used / most for most, used in _limits())


def _limits() -> Iterator[tuple[int, int]]:
    """Yields limit and used memory of the machine, then of the container; files that are merely cached are free."""
    memory = psutil.virtual_memory()
    yield memory.total, memory.total - memory.available
    for limit, usage, statistics, prefix in CGROUPS:
        if (CGROUP / limit).exists() and (most := (CGROUP / limit).read_text().strip()) != "max":
            lines = (line.split() for line in (CGROUP / statistics).read_text().splitlines())
            known = {name: int(value) for name, value in lines}
            cached = known[f"{prefix}active_file"] + known[f"{prefix}inactive_file"]
            yield int(most), int((CGROUP / usage).read_text()) - cached


def limit_memory(more_bytes: int) -> None:
    """Makes allocations fail beyond what the process has now and some more; on Linux alone.

    Without it Linux promises more memory than there is, and kills whom it likes once it is used.
    """
    if sys.platform == "linux":
        import resource

        limit = psutil.Process().memory_info().data + more_bytes
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
