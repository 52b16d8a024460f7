"""The local record of a stage: metrics, tags, artifacts and lines, appended to a file and told to listeners."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Listener = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class StageResult:
    """What a stage returns beside the folder it wrote."""

    fingerprint: str
    """Hash of the content written: equal content, equal fingerprint, whatever the time or the machine."""
    summary: str
    """One line for the terminal and the run's note."""


@dataclass
class Journal:
    """Append-only record of one stage, as JSON lines.

    Records are `{"kind": "metrics", "values": {...}, "step": 3}`, `{"kind": "tags", "values": {...}}`,
    `{"kind": "artifact", "path": "artifacts/curves.png"}` (relative to the stage's folder), `{"kind": "say",
    "text": ...}`.

    Args:
        path: File to append to; its folder is the stage's folder.
        listeners: Called with each record once it is in the file.
    """

    path: Path
    listeners: tuple[Listener, ...] = field(default_factory=tuple)

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

    def _append(self, record: dict[str, Any]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
        for listener in self.listeners:
            listener(record)


def read_journal(path: Path) -> Iterator[dict[str, Any]]:
    """Yields the records of a journal in order; nothing if there is no such file."""
    if path.exists():
        with path.open(encoding="utf-8") as file:
            for line in file:
                yield json.loads(line)
