"""Writing a run: one parent run for the recipe, one nested run for each stage that ran.

Curves and results go to the parent, which is what people compare; a nested run carries why its stage ran, what of the
recipe it reads and what it used of the machine. All of it is written to the run's own folder (`folder.py`).
"""

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import Timeout
from mlflow.utils import mlflow_tags
from mlflow.utils.validation import MAX_DATASET_DIGEST_SIZE

from pipeline.cache import Entry, Ingredients
from pipeline.errors import UserError
from pipeline.journal import Record, RecordFile, StageResult, read_journal
from pipeline.manifest import Manifest
from pipeline.tracking.folder import RUN_TAG, RunFolder
from pipeline.tracking.note import RunFacts, StageFacts, compose_note, compose_stage_note
from pipeline.tracking.reaping import ERROR, this_process
from pipeline.tracking.sending import Sender
from pipeline.tracking.store import Store, one_line, redacted
from pipeline.tracking.system import system_metrics

if TYPE_CHECKING:
    from pipeline.tracking.opening import Tracking


@dataclass
class Run:
    """A pipeline run that is being recorded."""

    tracking: "Tracking"
    folder: RunFolder
    facts: RunFacts

    def __post_init__(self) -> None:
        self.sender = Sender(self.folder)
        self._file = RecordFile(self.folder.journal)
        if self._file.cut_bytes:
            # Numbers are used again: all is sent again, and what the store has stays as it is.
            self.folder.save_sent(replace(self.folder.sent, next=0))
            self.record("say", text=f"the run's record: its last {self._file.cut_bytes} bytes were torn and cut off")
        self._forwarded: dict[tuple[str, str], int] = {}
        self._epochs: dict[str, str] = {}
        for record in self._file.records:
            if "of" in record:
                stage, number, key = record["of"]
                self._forwarded[stage, key] = number
                if epoch := _epoch(stage, record):
                    self._epochs.setdefault(epoch, key)

    @property
    def id(self) -> str:
        """Id of the run: MLflow's if the store answered at the start, else one that only we resolve."""
        return self.folder.path.name

    def in_store(self) -> tuple[Store, str]:
        """Sends all that was recorded so far; returns the store and the run's MLflow id.

        Raises:
            UserError: If the store does not take it.
        """
        try:
            self.sender.send()
        except Timeout:
            raise UserError(
                f"tracking.uri: {redacted(self.folder.header.uri)} takes the run's records too slowly to go on. "
                "Finished stages are kept: run the same command later"
            ) from None
        return self.tracking.store, self.folder.sent.ids[""]

    def record(self, kind: str, run: str = "", **more: Any) -> None:
        """Appends a record for the run, or for a nested one."""
        self._file.append({"kind": kind, "run": run, **more})

    def begin(self, name: str, tags: Mapping[str, str], *, again: bool) -> None:
        """Records that the run, or a nested one, begins, or goes on."""
        self.record("begin", name, tags=dict(tags), process=this_process(), again=again)

    @contextlib.contextmanager
    def stage(self, name: str, *, folder: Path, reason: str, ingredients: Ingredients) -> Iterator["Stage"]:
        """Records a stage that runs, as a nested run; one that was killed and goes on is the same nested run.

        Args:
            name: Name of the stage; its artifacts lie in a folder of this name.
            folder: Where the stage writes; artifacts are named relative to it.
            reason: Why it runs, one line.
            ingredients: What its result depends on; its part of the recipe becomes the nested run's parameters.

        Yields:
            The stage; hand its `listener` to the stage's journal.
        """
        tags = {
            RUN_TAG: f"{self.id}/{name}",
            "stage.reason": reason,
            "stage.key": ingredients.key,
            "stage.code": _digest(ingredients.code),
        }
        facts = StageFacts(name, "ran", reason=reason)
        stage = Stage(self, Listener(self, facts, folder, ingredients.key), reason)
        self._note(facts, f"ran: {reason}", ingredients)
        started = time.perf_counter()
        with closing(self, name, stage.conclude):
            before = [record for record in self._file.records if record.get("run") == name]
            again = any(record["kind"] == "begin" for record in before)
            self.begin(name, tags, again=again)
            if not again:
                self.record("params", name, values=ingredients.recipe)
            stage.listener.replay()
            try:
                with self._sampling(name, sum(record["kind"] == "metrics" for record in before)):
                    yield stage
            finally:
                facts.seconds = time.perf_counter() - started

    def replay(self, name: str, entry: Entry) -> None:
        """Records a stage taken from the cache: its metrics, tags and artifacts at once, and whose they are.

        A stage that this run computed before it was killed stays its own.
        """
        if entry.run_id == self.id:
            facts = StageFacts(name, "ran", summary=entry.result.summary, seconds=entry.seconds)
            self.facts.stages.append(facts)
        else:
            facts = StageFacts(name, "reused", reason=f"from run {entry.run_id[:8]}", summary=entry.result.summary)
            self._note(facts, f"reused from {entry.run_id}", entry.ingredients)
        Listener(self, facts, entry.folder, entry.ingredients.key).replay()

    def log_data(self, name: str, manifest: Manifest) -> None:
        """Records the data as the run's dataset input, by its fingerprint; no example is read.

        Args:
            name: Short name of the data, such as the source's `type`.
            manifest: What the collect stage says of it.
        """
        self.facts.data = manifest
        profile = {"num_rows": sum(manifest.counts.values()), **manifest.counts, "num_classes": len(manifest.classes)}
        dataset = {
            "name": name,
            "digest": manifest.fingerprint[:MAX_DATASET_DIGEST_SIZE],
            "source_type": manifest.kind,
            "source": json.dumps({"source": manifest.source}, ensure_ascii=False),
            "profile": json.dumps(profile),
        }
        self.record("data", dataset=dataset)
        self.record("tags", values={"data.fingerprint": manifest.fingerprint, "data.source": manifest.source})

    def log_file(self, path: Path, folder: str) -> None:
        """Records a file that no stage wrote, in a folder of the run's artifacts."""
        self.log_artifact(path, f"{folder}/{path.name}")

    def log_text(self, text: str, path: str) -> None:
        """Records a text, without credentials, as an artifact of the run."""
        self.folder.keep_text(redacted(text), path)
        self.record("artifact", path=path)

    def log_artifact(self, file: Path, path: str, **more: Any) -> None:
        """Keeps a file with the run and records it under `path`."""
        self.folder.keep(file, path)
        self.record("artifact", path=path, **more)

    def forward(self, stage: str, key: str, record: Record) -> bool:
        """Whether a record of a stage's journal is not in the run's yet; notes that it is now.

        Args:
            stage: Name of the stage.
            key: Of its result. A run that goes on for more epochs has several results of a stage; an epoch that one
                has said is not said by another.
            record: The record.
        """
        if record["seq"] <= self._forwarded.get((stage, key), -1):
            return False
        self._forwarded[stage, key] = record["seq"]
        epoch = _epoch(stage, record)
        return epoch is None or self._epochs.setdefault(epoch, key) == key

    def conclude(self, error: str | None) -> None:
        """Writes the note; `error` is one line on why the run did not finish."""
        self.facts.error = error
        self.record("tags", values={mlflow_tags.MLFLOW_RUN_NOTE: compose_note(self.facts)})

    def _note(self, facts: StageFacts, how: str, ingredients: Ingredients) -> None:
        self.facts.stages.append(facts)
        self.record("tags", values={f"stage.{facts.name}": how, f"code.{facts.name}": _digest(ingredients.code)})

    def _sampling(self, name: str, first: int) -> contextlib.AbstractContextManager[None]:
        if not self.tracking.config.system_metrics:
            return contextlib.nullcontext()
        return system_metrics(lambda values, step: self.record("metrics", name, values=values, step=step), first)


@dataclass
class Stage:
    """A stage that is being recorded."""

    run: Run
    listener: "Listener"
    """Takes the records of the stage's journal."""
    reason: str
    result: StageResult | None = None
    """What the stage returned, once it has."""

    @property
    def id(self) -> str | None:
        """Id of the nested MLflow run, once the store has it."""
        return self.run.folder.sent.ids.get(self.listener.facts.name)

    def conclude(self, error: str | None) -> None:
        """Writes the nested run's note; `error` is one line on why the stage did not end."""
        facts = self.listener.facts
        facts.summary = self.result.summary if self.result else ""
        summary = error or facts.summary
        tags = {mlflow_tags.MLFLOW_RUN_NOTE: compose_stage_note(self.reason, facts, summary)}
        if self.result:
            tags["stage.fingerprint"] = self.result.fingerprint
        self.run.record("tags", facts.name, values=tags)


@dataclass
class Listener:
    """Takes the records of a stage's journal into the run's, each of them once, also across a kill."""

    run: Run
    facts: StageFacts
    folder: Path
    """The stage's folder; artifacts are named relative to it."""
    key: str
    """Of the stage's result."""

    def replay(self) -> None:
        """Takes what the stage's journal holds already."""
        for record in read_journal(self.folder / "journal.jsonl"):
            self(record)

    def __call__(self, record: Record) -> None:
        """Takes one record; see `pipeline.journal.Journal` for their forms."""
        name, kind = self.facts.name, record["kind"]
        more = {"of": [name, record["seq"], self.key], "time": record["time"]}
        new = self.run.forward(name, self.key, record)
        match kind:
            case "metrics":
                self.run.facts.metrics |= record["values"]
                more |= {"values": record["values"], "step": record["step"]}
            case "tags":
                self.run.facts.tags |= record["values"]
                more |= {"values": record["values"]}
            case "artifact":
                path = Path(name, record["path"].removeprefix("artifacts/")).as_posix()
                self.facts.artifacts.append(path)
                more |= {"path": path}
                if new:
                    self.run.folder.keep(self.folder / record["path"], path)
            case "say":
                self.facts.lines.append(record["text"])
                more |= {"text": record["text"]}
            case _:
                raise AssertionError(f"a journal has no records of kind {kind}")
        if new:
            self.run.record(kind, **more)


@contextlib.contextmanager
def closing(run: Run, name: str, conclude: Callable[[str | None], None]) -> Iterator[None]:
    """Ends a run, or a nested one, after its last words, in the state that fits how the block was left."""
    try:
        yield
    except BaseException as error:
        stopped = isinstance(error, KeyboardInterrupt | SystemExit)
        reason = f"{type(error).__name__}: {one_line(error)}"
        try:
            run.record("tags", name, values={ERROR: reason})
            conclude(reason)
            run.record("end", name, status="KILLED" if stopped else "FAILED")
        except UserError as lost:
            error.add_note(str(lost))
        raise
    conclude(None)
    run.record("end", name, status="FINISHED")


def _epoch(stage: str, record: Record) -> str | None:
    """Which values of which epoch a record of metrics holds; None for all other records."""
    if record["kind"] != "metrics" or record["step"] is None:
        return None
    return f"{stage} {record['step']} {','.join(sorted(record['values']))}"


def _digest(code: Mapping[str, str]) -> str:
    """One short hash for the code of many modules."""
    return hashlib.blake2b(json.dumps(code, sort_keys=True).encode(), digest_size=6).hexdigest()
