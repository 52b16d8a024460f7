"""Memory of this process: what it has taken at most, what is free, and a limit for a process that may fail."""

import sys
from pathlib import Path

import psutil
import tensorflow as tf

CGROUP = Path("/sys/fs/cgroup")
"""Where a container's limit stands (cgroup v2)."""

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
    free = psutil.virtual_memory().available
    limit, used = CGROUP / "memory.max", CGROUP / "memory.current"
    if limit.exists() and (most := limit.read_text().strip()) != "max":
        free = min(free, int(most) - int(used.read_text()))
    return int(FREE_SHARE * free)


def limit_memory(more_bytes: int) -> None:
    """Makes allocations fail beyond what the process has now and some more; on Linux alone.

    Without it Linux promises more memory than there is, and kills whom it likes once it is used.
    """
    if sys.platform == "linux":
        import resource

        limit = psutil.Process().memory_info().data + more_bytes
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
