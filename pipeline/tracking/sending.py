"""Sends what a run's folder holds to MLflow, exactly once: after a kill on either side nothing lacks or is doubled.

The store is told in the journal's order, in as few calls as its limits allow, and how far it has come is written down
after each call that it acknowledged. What was sent but not written down is sent again, and that changes nothing: MLflow
keeps one of equal metrics (name, step, time, value), parameters and inputs, overwrites tags and artifacts, and runs are
found again by a tag of ours.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, LifecycleStage
from mlflow.exceptions import MlflowException
from mlflow.utils import mlflow_tags
from mlflow.utils.validation import MAX_METRICS_PER_BATCH

from pipeline.errors import UserError
from pipeline.journal import Record, scan
from pipeline.tracking import entities
from pipeline.tracking.folder import RUN_TAG, RunFolder, Sent
from pipeline.tracking.reaping import ERROR, PROCESS
from pipeline.tracking.store import (
    SENDING_SECS,
    Store,
    StoreAwayError,
    all_pages,
    find_experiment,
    is_away,
    one_line,
    open_store,
    patience,
    redacted,
)

MERGED = ("params", "metrics", "tags", "say")
"""Kinds of records that are sent together; each other one is a call of its own, in its place."""

LOCK_SECS = 3.0 * SENDING_SECS
"""How long to wait for another process or thread that sends the same run."""


class _ForgottenError(StoreAwayError):
    """The store no longer knows the run: it came back without what it held."""


class _DeletedError(Exception):
    """Someone deleted the run in the store."""


@dataclass
class Sender:
    """Sends the records of one run, as often as asked; each time what has come since."""

    folder: RunFolder
    uri: str | None = None
    """Where to, instead of where the run was recorded for."""
    asks_again: bool = False
    """Whether to ask the store for a run that it has acknowledged; one that it no longer has is sent again."""
    num_acknowledged: int = 0
    """Records that the store took."""
    _backlog: list[Record] = field(default_factory=list)
    """Records that were read and not acknowledged."""
    _read: tuple[int, int] = (0, 0)
    """Byte and number of the first record that was not read yet."""
    _last: Record | None = None
    """The last record that was read."""

    def send(self) -> int:
        """Sends all that the store lacks, unless another process or thread does so for long.

        Returns:
            How many records were sent.

        Raises:
            StoreAwayError: If the store does not answer; what it has acknowledged stays sent.
            UserError: If the store will not take the run.
            filelock.Timeout: If another process or thread is still sending it.
        """
        with self.folder.sending(LOCK_SECS), patience(SENDING_SECS):
            sent = self.folder.sent
            uri = self.uri or self.folder.header.uri
            if sent.uri != uri:
                sent = Sent(uri)
            self._read_on(sent.next)
            if not self._backlog and not self._is_unsettled and not self.asks_again:
                return 0
            store = open_store(uri, Path.cwd())
            before = self.num_acknowledged
            try:
                self._send(store, sent)
            except _ForgottenError:
                sent = Sent(uri)
                self.folder.save_sent(sent)  # first: what is unsent from here on is all of it
                self.folder.mark_unsent()
                self._read_on(0)
                self._send(store, sent)
            return self.num_acknowledged - before

    @property
    def _is_unsettled(self) -> bool:
        """Whether the run has ended and nobody has looked through what the store has of it."""
        ended = self._last is not None and (self._last["kind"], self._last.get("run")) == ("end", "")
        return ended and self.folder.is_unsent

    def _read_on(self, first: int) -> None:
        """Reads what came to the journal, or all of it where the store must be told again what it once had."""
        if first < self._read[1] - len(self._backlog):
            self._backlog, self._read = [], (0, 0)
        records, end = scan(self.folder.journal, *self._read)
        self._read = (end, self._read[1] + len(records))
        self._backlog = [record for record in [*self._backlog, *records] if record["seq"] >= first]
        self._last = records[-1] if records else self._last

    def _send(self, store: Store, sent: Sent) -> None:
        target = _Target(self.folder, store, sent)
        try:
            if self.asks_again:
                target.look_up()
            for chunk in _chunks(self._backlog):
                target.take(chunk)
                self._acknowledge(sent, chunk[-1])
            if self._is_unsettled:
                target.remove_doubles()
                self.folder.mark_sent()
        except _DeletedError:
            sent.refused.append("all: the run was deleted in the store")
            self._acknowledge(sent, self._backlog[-1])
            self.folder.mark_sent()
        except (MlflowException, OSError) as error:
            raise _meaning(error, sent.uri) from error

    def _acknowledge(self, sent: Sent, record: Record) -> None:
        sent.next = record["seq"] + 1
        self.folder.save_sent(sent)
        left = [waiting for waiting in self._backlog if waiting["seq"] >= sent.next]
        self.num_acknowledged += len(self._backlog) - len(left)
        self._backlog = left


@dataclass
class _Target:
    """The run in the store."""

    folder: RunFolder
    store: Store
    sent: Sent

    @property
    def client(self) -> MlflowClient:
        """The store's client."""
        return self.store.client

    def take(self, chunk: list[Record]) -> None:
        """Hands records to the store; one that it will never take is noted and left out."""
        try:
            with self.store.turn():
                self._hand_over(chunk)
        except MlflowException as error:
            if error.error_code != "INVALID_PARAMETER_VALUE":
                raise
            if self._is_deleted():
                raise _DeletedError from error
            if len(chunk) == 1:
                self.sent.refused.append(f"record {chunk[0]['seq']}: {one_line(error)}")
                return
            for record in chunk:
                self.take([record])

    def look_up(self) -> None:
        """Asks for the runs that the store has acknowledged; raises an `MlflowException` if any of them is gone."""
        for run_id in self.sent.ids.values():
            self.client.get_run(run_id)

    def remove_doubles(self) -> None:
        """Removes runs that a server created for a call whose answer never came."""
        header = self.folder.header
        experiments = [find_experiment(self.store, header.experiment)]
        where = f"tags.`{RUN_TAG}` LIKE '{header.id}%'"
        for run in all_pages(lambda token: self.client.search_runs(experiments, where, page_token=token)):
            if run.info.run_id not in self.sent.ids.values():
                self.client.delete_run(run.info.run_id)

    def _is_deleted(self) -> bool:
        run_id = self.sent.ids.get("")
        return run_id is not None and self.client.get_run(run_id).info.lifecycle_stage == LifecycleStage.DELETED

    def _hand_over(self, chunk: list[Record]) -> None:
        first = chunk[0]
        match first["kind"]:
            case "begin":
                self._begin(first)
            case "artifact":
                self._log_artifact(first)
            case "data":
                context = InputTag(mlflow_tags.MLFLOW_DATASET_CONTEXT, "training")
                dataset = DatasetInput(Dataset(**first["dataset"]), [context])
                self.client.log_inputs(self._id("", first["time"]), [dataset])
            case "end":
                run_id = self._id(first["run"], first["time"])
                self.client.set_terminated(run_id, first["status"], end_time=first["time"])
            case _:
                self._log(chunk)

    def _log(self, chunk: list[Record]) -> None:
        for name in dict.fromkeys(record["run"] for record in chunk):
            records = [record for record in chunk if record["run"] == name]
            entities.log(
                self.client,
                self._id(name, records[0]["time"]),
                metrics=[
                    metric
                    for record in _of_kind(records, "metrics")
                    for metric in entities.metrics(record["values"], record["step"], record["time"])
                ],
                params=entities.params(_merged(records, "params")),
                tags=entities.tags(_merged(records, "tags")),
            )

    def _log_artifact(self, record: Record) -> None:
        file, place = self.folder.artifact(record["path"]), Path(record["path"]).parent.as_posix()
        if not file.exists():
            self.sent.refused.append(f"record {record['seq']}: {file} is gone")
            return
        self.client.log_artifact(self._id("", record["time"]), str(file), None if place == "." else place)

    def _begin(self, record: Record) -> None:
        run_id = self._id(record["run"], record["time"])
        # A process that is gone would have the run taken for killed while it is sent.
        process = {PROCESS: record["process"]} if self.folder.lives() else {}
        entities.log(self.client, run_id, tags=entities.tags({**record["tags"], **process}))
        if record["again"]:
            self.client.update_run(run_id, "RUNNING")
            if ERROR in self.client.get_run(run_id).data.tags:
                self.client.delete_tag(run_id, ERROR)

    def _id(self, name: str, began: int) -> str:
        """MLflow run id of the run, or of a nested one; created when it is first asked for."""
        ids = self.sent.ids
        if name not in ids:
            experiment_id = find_experiment(self.store, self.folder.header.experiment)
            parent = {mlflow_tags.MLFLOW_PARENT_RUN_ID: self._id("", self.folder.header.started)} if name else {}
            ids[name] = self._find(experiment_id, name) or self._create(experiment_id, name, began, parent)
            self.folder.save_sent(self.sent)
        return ids[name]

    def _find(self, experiment_id: str, name: str) -> str | None:
        found = self.client.search_runs(
            [experiment_id], f"tags.`{RUN_TAG}` = '{self._tag(name)}'", order_by=["attributes.start_time ASC"]
        )
        return str(found[0].info.run_id) if found else None

    def _create(self, experiment_id: str, name: str, began: int, tags: dict[str, str]) -> str:
        header = self.folder.header
        run = self.client.create_run(
            experiment_id,
            start_time=began if name else header.started,
            run_name=name or header.name,
            tags={**tags, RUN_TAG: self._tag(name)},
        )
        return str(run.info.run_id)

    def _tag(self, name: str) -> str:
        return f"{self.folder.header.id}/{name}" if name else self.folder.header.id


def _meaning(error: Exception, uri: str) -> Exception:
    """What a call that failed means: the store has forgotten the run, is away, or will not take it."""
    said, advice = (
        f"tracking.uri: {redacted(uri)} does not take the run's records: {one_line(error)}",
        "Try again later",
    )
    if isinstance(error, MlflowException) and error.error_code == "RESOURCE_DOES_NOT_EXIST":
        return _ForgottenError(said, advice)
    return StoreAwayError(said, advice) if is_away(error) else UserError(said)


def _chunks(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Groups records in their order: what can be sent together, up to the metrics of one call."""
    chunk: list[Record] = []
    size = 0
    for record in records:
        weight = max(1, len(record.get("values", ()))) if record["kind"] in MERGED else MAX_METRICS_PER_BATCH
        if chunk and size + weight > MAX_METRICS_PER_BATCH:
            yield chunk
            chunk, size = [], 0
        chunk.append(record)
        size += weight
    if chunk:
        yield chunk


def _of_kind(records: Iterable[Record], kind: str) -> list[Record]:
    return [record for record in records if record["kind"] == kind]


def _merged(records: Iterable[Record], kind: str) -> dict[str, Any]:
    """Values of all records of a kind; of two for one name, the later."""
    return {key: value for record in _of_kind(records, kind) for key, value in record["values"].items()}
