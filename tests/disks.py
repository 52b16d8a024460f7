"""Disks that take no more: a small one of its own where mounting is permitted, and a limit on the size of files."""

import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

LIMIT_BYTES = 300
"""Of a file, where there is a limit: more than what is written before, less than what is written then."""


@dataclass(frozen=True)
class Disk:
    """A folder on a disk that can be filled and emptied."""

    folder: Path
    fill: Callable[[], None]
    free: Callable[[], None]


@contextmanager
def limited(folder: Path) -> Iterator[Disk]:
    """A disk that is full when a file is as large as a limit."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(size: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))

    try:
        yield Disk(folder, lambda: limit(LIMIT_BYTES), lambda: limit(before[0]))
    finally:
        limit(before[0])


@contextmanager
def mounted(folder: Path, *, size: str = "256k") -> Iterator[Disk | None]:
    """A real disk of its own, in memory; None where nothing may be mounted."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        yield None
        return
    filler = folder / "filler"

    def fill() -> None:
        with filler.open("ab", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(4096))

    try:
        yield Disk(folder, fill, lambda: filler.unlink())
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def read_only(disk: Disk) -> Iterator[None]:
    """Lets a mounted disk be read only."""
    for mode in ("ro", "rw"):
        subprocess.run(["mount", "-o", f"remount,{mode}", str(disk.folder)], check=True)
        if mode == "ro":
            yield
