"""The local record of a stage: metrics, tags, artifacts and lines, appended to a file and told to listeners.

A line of the file is a JSON object that begins with its number and the time in milliseconds and ends with a checksum
of all before it. What a killed process or a full disk left half written is cut off when the file is opened again.
"""

import json
import math
import os
import threading
import time
import zlib
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.errors import UserError

Record = dict[str, Any]
Listener = Callable[[Record], None]

CHECKSUM = b', "crc32": "'
"""What stands before the checksum at the end of a line."""

CLOCKED = ("secs", "_per_sec")
"""Endings of metrics that are measured on a clock: another time, another value."""


@dataclass(frozen=True)
class StageResult:
    """What a stage returns beside the folder it wrote."""

    fingerprint: str
    """Hash of the content written: equal content, equal fingerprint, whatever the time or the machine."""
    summary: str
    """One line for the terminal and the run's note."""


class RecordFile:
    """An append-only file of records: one write each, numbered from 0; a torn or corrupt tail is cut off on opening.

    Args:
        path: The file; it need not exist. It has one writer at a time, and any number of readers.

    Raises:
        UserError: If a tail cannot be cut off.
    """

    def __init__(self, path: Path):
        self.path = path
        self.records, whole = scan(path)
        """What the file held when it was opened."""
        self.cut_bytes = _cut(path, whole)
        """Length of the tail that was cut off."""
        self._next = len(self.records)
        self._lock = threading.Lock()

    def append(self, record: Record) -> Record:
        """Writes a record and returns it as it was written, with `seq` and `time`; a time that it has stays.

        Raises:
            UserError: If the disk does not take it; nothing of it is left behind then.
        """
        with self._lock:
            rest = {key: value for key, value in record.items() if key != "time"}
            numbered = {"seq": self._next, "time": record.get("time", time.time_ns() // 1_000_000), **rest}
            _write(self.path, _encode(numbered))
            self._next += 1
            return numbered


@dataclass
class Journal:
    """Append-only record of one stage.

    Records are `{"kind": "metrics", "values": {...}, "step": 3}`, `{"kind": "tags", "values": {...}}`,
    `{"kind": "artifact", "path": "artifacts/curves.png"}` (relative to the stage's folder), `{"kind": "say",
    "text": ...}`, each with `seq` and `time`.

    A journal that is there already goes on: a stage that was killed and goes on from a checkpoint says some things
    again, and what is there already is neither written nor told a second time. If an epoch's value differs from what
    was recorded before, both are kept, the new one counts, and a line says so.

    Args:
        path: File to append to; its folder is the stage's folder.
        listeners: Called with each record once it is in the file.
    """

    path: Path
    listeners: tuple[Listener, ...] = field(default_factory=tuple)

    def __post_init__(self) -> None:
        self._file = RecordFile(self.path)
        self._before: dict[str, deque[Record]] = defaultdict(deque)
        for record in self._file.records:
            self._before[_identity(record)].append(record)
        if self._file.cut_bytes:
            self.say(f"journal: its last {self._file.cut_bytes} bytes were torn or corrupt and were cut off")

    def log_metrics(self, values: dict[str, float], step: int | None = None) -> None:
        """Records metrics; `step` counts epochs from 0, None for a value of the whole run."""
        self._append({"kind": "metrics", "values": {k: float(v) for k, v in values.items()}, "step": step})

    def set_tags(self, values: dict[str, str]) -> None:
        """Records facts about the run that are not numbers."""
        self._append({"kind": "tags", "values": values})

    def log_artifact(self, path: Path) -> None:
        """Records a file of the stage's folder that a reader of the run should find."""
        self._append({"kind": "artifact", "path": path.relative_to(self.path.parent).as_posix()})

    def say(self, text: str) -> None:
        """Records one line for the user: a warning, a choice made, a finding."""
        self._append({"kind": "say", "text": text})

    def _append(self, record: Record) -> None:
        if earlier := self._before[_identity(record)]:
            change = _change(earlier.popleft(), record)
            if change is None:
                return
            if record["step"] is not None:
                self.say(f"epoch {record['step']} differs from what was recorded before the run was stopped: {change}")
        written = self._file.append(record)
        for listener in self.listeners:
            listener(written)


def read_journal(path: Path) -> Iterator[Record]:
    """Yields the whole records of a journal in order; nothing if there is no such file."""
    yield from scan(path)[0]


def scan(path: Path, start: int = 0, first: int = 0) -> tuple[list[Record], int]:
    """Reads records up to the first line that is torn or corrupt.

    Args:
        path: The file; one that is not there has no records.
        start: Byte to begin at, the first of a line.
        first: Number of the record that begins there.

    Returns:
        The records, and the byte after the last of them.
    """
    if not path.exists():
        return [], start
    with path.open("rb") as file:
        file.seek(start)
        records: list[Record] = []
        for line in file:
            record = _decode(line)
            if record is None or record["seq"] != first + len(records):
                break
            records.append(record)
            start += len(line)
    return records, start


def _encode(record: Record) -> bytes:
    body = json.dumps(record, ensure_ascii=False).encode()[:-1]
    return body + CHECKSUM + _checksum(body) + b'"}\n'


def _decode(line: bytes) -> Record | None:
    """The record of a line; None if the line is not whole."""
    body, mark, checksum = line.rpartition(CHECKSUM)
    if not mark or checksum != _checksum(body) + b'"}\n':
        return None
    record: Record = json.loads(body + b"}")
    return record


def _checksum(body: bytes) -> bytes:
    return f"{zlib.crc32(body):08x}".encode()


def _write(path: Path, line: bytes) -> None:
    """Appends a line by one write, or nothing."""
    size = path.stat().st_size if path.exists() else 0
    try:
        with path.open("ab", buffering=0) as file:
            if file.write(line) != len(line):
                raise OSError("no space left on the disk")
    except OSError as error:
        with suppress(OSError):
            os.truncate(path, size)
        raise UserError(
            f"{path}: expected a file that can be written. Received: {error.strerror or error}. "
            "Finished stages are kept: mend the disk and run the same command again"
        ) from error


def _cut(path: Path, whole: int) -> int:
    """Cuts off what follows the whole records; returns how many bytes."""
    torn = path.stat().st_size - whole if path.exists() else 0
    if torn:
        try:
            os.truncate(path, whole)
        except OSError as error:
            raise UserError(f"{path}: expected a file that can be written. Received: {error.strerror}") from error
    return torn


def _identity(record: Record) -> str:
    """What is equal in a record and in the same record said again: for metrics all but the values."""
    if record["kind"] == "metrics":
        return json.dumps(["metrics", record["step"], sorted(record["values"])])
    return json.dumps({key: value for key, value in record.items() if key not in ("seq", "time")}, sort_keys=True)


def _change(before: Record, now: Record) -> str | None:
    """Says how the values of metrics differ from those recorded before; None if they do not, or only by the clock."""
    if now["kind"] != "metrics":
        return None
    changes = [
        f"{name} {before['values'][name]!r} → {value!r}"
        for name, value in now["values"].items()
        if not name.endswith(CLOCKED) and not _same(value, before["values"][name])
    ]
    return ", ".join(changes) or None


def _same(left: float, right: float) -> bool:
    return left == right or (math.isnan(left) and math.isnan(right))
