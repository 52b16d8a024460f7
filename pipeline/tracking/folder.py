"""A run's own record on local disk: whole there before anything of it is sent to MLflow.

`<directory>/runs/<run id>/` holds `run.json` (what was known at the start), `journal.jsonl` (all that happened since),
`artifacts/` (files, as they will lie in MLflow) and `sent.json` (how much of it MLflow has). A record names the MLflow
run that it is for: `""` is the pipeline run, a stage's name the run nested in it.

    begin     (run, tags, again)      the run, or the nested run, began; again: was continued
    params    (run, values)           recipe keys
    metrics   (run, values, step)
    tags      (run, values)
    artifact  (path)                  a file under `artifacts/`
    data      (dataset)               the run's dataset input
    say       (text)                  a line for the user; stays here
    end       (run, status)           FINISHED, FAILED or KILLED

Records that a stage's journal said first carry `of`: the stage and the record's number there.
"""

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from pipeline.journal import Record, read_journal
from pipeline.whole import write_whole

RUN_TAG = "plumbline.run"
"""Tag of an MLflow run: our id of it, and for a nested one `/` and its name."""

UNSENT = "unsent"
"""Empty file that lies in a run's folder until the run has ended and all of it was sent."""


@dataclass(frozen=True)
class Header:
    """What is known of a run when it begins."""

    id: str
    """32 hex digits: the MLflow run id if the store answered at the start, else one of our own."""
    name: str
    experiment: str
    uri: str
    """Absolute MLflow tracking URI."""
    started: int
    """Milliseconds since 1970."""
    params: dict[str, Any]
    """Flat recipe keys."""
    in_store: bool
    """Whether `id` is the id of a run in the store."""


@dataclass
class Sent:
    """How much of a run the store has; if it is lost, all is sent again, and the store ends up the same."""

    uri: str
    next: int = 0
    """Number of the first record that the store has not acknowledged."""
    ids: dict[str, str] = field(default_factory=dict)
    """Name of a nested run, or `""`, to its MLflow run id."""
    refused: list[str] = field(default_factory=list)
    """Records that the store will never take, and why."""


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run."""

    path: Path

    @classmethod
    def create(cls, root: Path, header: Header) -> "RunFolder":
        """Makes the folder of a new run under `root`, whole or not at all.

        Raises:
            OSError: If the disk does not take it.
        """
        partial = root / f".{header.id}.partial"
        root.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(partial, ignore_errors=True)  # of a process that was killed here
        try:
            partial.mkdir(mode=0o700)  # the URI may hold a password
            (partial / "artifacts").mkdir()
            (partial / UNSENT).touch()
            text = json.dumps(asdict(header), indent=2, ensure_ascii=False)
            (partial / "run.json").write_text(text, encoding="utf-8")
            partial.rename(root / header.id)
        except OSError:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        return cls(root / header.id)

    @property
    def header(self) -> Header:
        """What was known when the run began."""
        return Header(**json.loads((self.path / "run.json").read_text(encoding="utf-8")))

    @property
    def journal(self) -> Path:
        """The file of records."""
        return self.path / "journal.jsonl"

    def records(self) -> Iterator[Record]:
        """Yields the records so far."""
        return read_journal(self.journal)

    def artifact(self, path: str) -> Path:
        """Where the file lies that the run shows as `path`."""
        return self.path / "artifacts" / path

    def keep(self, file: Path, path: str) -> None:
        """Keeps a file as the run's artifact `path`: by a hard link where the file system has them, else a copy."""
        target = self.artifact(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.partial")
        partial.unlink(missing_ok=True)
        try:
            os.link(file, partial)
        except OSError:
            shutil.copyfile(file, partial)
        partial.replace(target)

    def keep_text(self, text: str, path: str) -> None:
        """Writes a text as the run's artifact `path`."""
        target = self.artifact(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, text)

    @property
    def sent(self) -> Sent:
        """How much of the run its store has."""
        try:
            return Sent(**json.loads((self.path / "sent.json").read_text(encoding="utf-8")))
        except (FileNotFoundError, json.JSONDecodeError, TypeError):
            header = self.header
            return Sent(header.uri, ids={"": header.id} if header.in_store else {})

    def save_sent(self, sent: Sent) -> None:
        """Writes how much of the run the store has."""
        write_whole(self.path / "sent.json", json.dumps(asdict(sent)))

    def sending(self, timeout_secs: float) -> FileLock:
        """The lock that is held by whoever sends; entering it raises `filelock.Timeout`."""
        return FileLock(self.path / ".sending.lock", timeout=timeout_secs, thread_local=False)

    def writing(self, timeout_secs: float = 10.0) -> FileLock:
        """The lock that the run's process holds while it lives; others try it for a moment to see whether it does."""
        return FileLock(self.path / ".writing.lock", timeout=timeout_secs, thread_local=False)

    @property
    def exists(self) -> bool:
        """Whether it was not deleted."""
        return (self.path / "run.json").exists()

    def lives(self) -> bool:
        """Whether the run's process is there."""
        if not self.exists:  # a lock would make the folder again
            return False
        try:
            with self.writing(timeout_secs=0):
                return False
        except Timeout:
            return True

    @property
    def is_unsent(self) -> bool:
        """Whether the run goes on, or the store lacks something."""
        return (self.path / UNSENT).exists()

    def mark_unsent(self) -> None:
        """Notes that there is something to send, or will be."""
        (self.path / UNSENT).touch()

    def mark_sent(self) -> None:
        """Notes that the run has ended and all of it was sent."""
        (self.path / UNSENT).unlink(missing_ok=True)


def run_folders(root: Path) -> Iterator[RunFolder]:
    """Yields the folders of all runs under `root`."""
    return (RunFolder(file.parent) for file in sorted(root.glob("[!.]*/run.json")))


def unsent_folders(root: Path) -> list[RunFolder]:
    """The folders of runs that go on, or of which the store lacks something; those without a record have nothing."""
    folders = [RunFolder(file.parent) for file in sorted(root.glob(f"[!.]*/{UNSENT}"))]
    return [folder for folder in folders if folder.journal.exists()]


def unfinished(records: Iterable[Record]) -> dict[str, Record]:
    """The last `begin` of each run that has not ended since, by name; nested runs first."""
    begun: dict[str, Record] = {}
    for record in records:
        if record["kind"] == "begin":
            begun[record["run"]] = record
        elif record["kind"] == "end":
            begun.pop(record["run"], None)
    return dict(sorted(begun.items(), key=lambda item: not item[0]))
