"""Checkpoints on disk: each is there whole or not at all, is checked when it is read, and the last two are kept.

A file is a line that names the format, the length of a JSON header (8 bytes, big-endian), the header, the bytes of the
arrays one after another, and the BLAKE2b hash of all that.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

FORMAT = b"plumbline checkpoint 1\n"
LENGTH_BYTES, DIGEST_BYTES = 8, 32
SUFFIX = ".checkpoint"
NUM_KEPT = 2
"""The newest one, and the one before it, in case that the disk spoils the newest."""


class Place(NamedTuple):
    """Where in a training a checkpoint was taken; places compare as they follow each other."""

    phase: int
    """Of transfer learning, from 0; others have one."""
    epoch: int
    """From 0, over all phases."""
    step: int
    """How many steps of the epoch are done."""

    def __str__(self) -> str:
        return f"epoch {self.epoch}, step {self.step}"


@dataclass(frozen=True)
class Checkpoint:
    """All that a training needs to go on as if it had never stopped."""

    place: Place
    arrays: dict[str, np.ndarray]
    """Values of variables, by names that `pipeline.training.state` gives them."""
    facts: dict[str, Any]
    """All else, as JSON has it."""


class TornError(ValueError):
    """A checkpoint is not whole."""


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Writes a file under a temporary name, flushes it to the disk and renames it.

    Raises:
        OSError: If the disk does not take it; nothing of it is left behind then.
    """
    temporary, digest = path.with_suffix(".tmp"), hashlib.blake2b(digest_size=DIGEST_BYTES)
    try:
        with temporary.open("wb") as file:
            for part in _parts(checkpoint):
                digest.update(part)
                file.write(part)
            file.write(digest.digest())
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
        _flush_folder(path.parent)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def read_checkpoint(path: Path) -> Checkpoint:
    """Reads a file and checks every byte of it.

    Raises:
        TornError: If it is not what was written.
    """
    content = memoryview(path.read_bytes())
    body, digest = content[:-DIGEST_BYTES], content[-DIGEST_BYTES:]
    if not content[: len(FORMAT)] == FORMAT or hashlib.blake2b(body, digest_size=DIGEST_BYTES).digest() != digest:
        raise TornError(f"{path}: expected a whole checkpoint. Received: one whose checksum does not fit")
    start = len(FORMAT) + LENGTH_BYTES
    end = start + int.from_bytes(content[len(FORMAT) : start], "big")
    header = json.loads(bytes(content[start:end]))
    arrays = {}
    for name, dtype_name, shape in header["arrays"]:
        dtype = np.dtype(dtype_name)
        count = int(np.prod(shape, dtype=np.int64))
        arrays[name] = np.frombuffer(content, dtype, count, end).reshape(shape)
        end += count * dtype.itemsize
    return Checkpoint(Place(*header["place"]), arrays, header["facts"])


class Checkpoints:
    """The folder with the checkpoints of one training.

    Args:
        folder: Made when the first one is written.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def latest(self, say: Callable[[str], None] = lambda _: None) -> Checkpoint | None:
        """Returns the newest whole checkpoint; None if there is none. What is not whole is named and removed."""
        for path in self.folder.glob("*.tmp"):
            path.unlink()
        for path in reversed(self._files()):
            try:
                return read_checkpoint(path)
            except TornError:
                say(f"warning: {path.name} is torn or corrupt; the checkpoint before it is taken")
                path.unlink()
        return None

    def place(self) -> Place | None:
        """Where the newest one was taken, by its name; None if there is none."""
        files = self._files()
        return Place(*map(int, files[-1].stem.split("-"))) if files else None

    def save(self, checkpoint: Checkpoint) -> None:
        """Writes a checkpoint and removes all but the last two.

        Raises:
            OSError: If the disk does not take it; those before it are as they were.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        phase, epoch, step = checkpoint.place
        write_checkpoint(self.folder / f"{phase:02}-{epoch:06}-{step:09}{SUFFIX}", checkpoint)
        self.keep_last(NUM_KEPT)

    def keep_last(self, count: int) -> None:
        """Removes all but so many; the newest stay."""
        files = self._files()
        for path in files[: len(files) - count]:
            path.unlink()

    def _files(self) -> list[Path]:
        """Those that were renamed, the oldest first."""
        return sorted(self.folder.glob(f"*{SUFFIX}"))


def _parts(checkpoint: Checkpoint) -> Iterator[Any]:
    """What a file holds before its hash, as bytes-like objects."""
    arrays = [[name, array.dtype.name, array.shape] for name, array in checkpoint.arrays.items()]
    header = json.dumps({"place": checkpoint.place, "facts": checkpoint.facts, "arrays": arrays}).encode()
    yield FORMAT + len(header).to_bytes(LENGTH_BYTES, "big")
    yield header
    for array in checkpoint.arrays.values():
        yield np.ascontiguousarray(array).reshape(-1).view(np.uint8)


def _flush_folder(folder: Path) -> None:
    """Makes the names in a folder survive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
