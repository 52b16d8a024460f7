"""Writing a run: one parent run for the recipe, one nested run for each stage that ran.

Curves and results go to the parent, which is what people compare; a nested run carries why its stage ran, what of the
recipe it reads and what it used of the machine.
"""

import contextlib
import getpass
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric
from mlflow.exceptions import MlflowException
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor
from mlflow.utils import mlflow_tags
from mlflow.utils.validation import MAX_DATASET_DIGEST_SIZE

from pipeline.cache import Entry, Ingredients
from pipeline.errors import UserError
from pipeline.journal import StageResult, read_journal
from pipeline.manifest import Manifest
from pipeline.recipe.tracking import TrackingConfig
from pipeline.tracking import entities
from pipeline.tracking.note import RunFacts, StageFacts, compose_note, compose_stage_note
from pipeline.tracking.reaping import ERROR, process_tags, reap
from pipeline.tracking.store import Store, one_line, open_store, redacted

FLUSH_SECS = 1.0
"""Metrics wait at most so long for company: an epoch that takes longer is sent at once."""

SAMPLING_SECS = 1.0
"""Time between two samples of what the machine is doing."""


@dataclass(frozen=True)
class Tracking:
    """An experiment of an open store, ready to take runs."""

    store: Store
    experiment_id: str
    config: TrackingConfig
    reaped: list[str]
    """Ids of the runs found dead at the start, now KILLED."""

    @classmethod
    def open(cls, section: TrackingConfig, *, experiment: str, base: Path) -> "Tracking":
        """Opens the store and the experiment, and closes the runs that killed processes left RUNNING.

        Args:
            section: The recipe's `tracking` section.
            experiment: Name of the experiment if the section has none.
            base: Folder that a relative sqlite path is relative to: the working directory.

        Raises:
            UserError: If the store does not answer, or the experiment was deleted.
        """
        store = open_store(section.uri, base)
        return cls(store, _experiment_id(store, section.experiment or experiment), section, reap(store.client))

    @contextlib.contextmanager
    def run(
        self,
        name: str,
        *,
        params: Mapping[str, Any],
        environment: Mapping[str, str],
        artifacts: Mapping[str, str],
    ) -> Iterator["Run"]:
        """Records one pipeline run; it ends as FINISHED, FAILED or KILLED, whatever happens in the block.

        Args:
            name: Name of the run.
            params: Flat recipe keys.
            environment: Flat facts of code and machine, kept as tags and as `environment.json`.
            artifacts: File name in the run to its text: `{"recipe.yaml": ...}`.

        Raises:
            UserError: If the store does not take a record.
        """
        tags = {**environment, **self.config.tags, **_source_tags(name, environment)}
        run = Run(self, self._create(name, tags), RunFacts(name, params))
        with _closing(self.store, run.id, run.conclude):
            with self.store.writing():
                entities.log(self.store.client, run.id, params=entities.params(params))
                files = {"environment.json": json.dumps(environment, indent=2, ensure_ascii=False), **artifacts}
                for file, text in files.items():
                    self.store.client.log_text(run.id, redacted(text), file)
            yield run

    def _create(self, name: str, tags: Mapping[str, str]) -> str:
        """Creates an MLflow run of this process and returns its id."""
        with self.store.writing():
            run = self.store.client.create_run(self.experiment_id, run_name=name, tags=process_tags())
            entities.log(self.store.client, run.info.run_id, tags=entities.tags(tags))
        return str(run.info.run_id)


@dataclass(frozen=True)
class Run:
    """A pipeline run that is being recorded."""

    tracking: Tracking
    id: str
    """MLflow run id."""
    facts: RunFacts

    @contextlib.contextmanager
    def stage(self, name: str, *, folder: Path, reason: str, ingredients: Ingredients) -> Iterator["Stage"]:
        """Records a stage that runs, as a nested run.

        Args:
            name: Name of the stage; its artifacts lie in a folder of this name.
            folder: Where the stage writes; artifacts are named relative to it.
            reason: Why it runs, one line.
            ingredients: What its result depends on; its part of the recipe becomes the nested run's parameters.

        Yields:
            The stage; hand its `listener` to the stage's journal.
        """
        store = self.tracking.store
        tags = {
            mlflow_tags.MLFLOW_PARENT_RUN_ID: self.id,
            "stage.reason": reason,
            "stage.key": ingredients.key,
            "stage.code": _digest(ingredients.code),
        }
        facts = StageFacts(name, "ran")
        stage = Stage(self, self.tracking._create(name, tags), Listener(self, facts, folder), reason)
        self._begin(facts, f"ran: {reason}", ingredients)
        started = time.perf_counter()
        with _closing(store, stage.id, stage.conclude):
            with store.writing():
                entities.log(store.client, stage.id, params=entities.params(ingredients.recipe))
            try:
                with _system_metrics(self.tracking, stage.id):
                    yield stage
            finally:
                facts.seconds = time.perf_counter() - started

    def replay(self, name: str, entry: Entry) -> None:
        """Records a stage taken from the cache: its metrics, tags and artifacts at once, and whose they are."""
        facts = StageFacts(name, "reused")
        self._begin(facts, f"reused from {entry.run_id}", entry.ingredients)
        listener = Listener(self, facts, entry.folder)
        for record in read_journal(entry.folder / "journal.jsonl"):
            listener(record)
        listener.flush()

    def log_data(self, name: str, manifest: Manifest) -> None:
        """Records the data as the run's dataset input, by its fingerprint; no example is read.

        Args:
            name: Short name of the data, such as the source's `type`.
            manifest: What the collect stage says of it.
        """
        self.facts.data = manifest
        profile = {"num_rows": sum(manifest.counts.values()), **manifest.counts, "num_classes": len(manifest.classes)}
        dataset = Dataset(
            name=name,
            digest=manifest.fingerprint[:MAX_DATASET_DIGEST_SIZE],
            source_type=manifest.kind,
            source=json.dumps({"source": manifest.source}, ensure_ascii=False),
            profile=json.dumps(profile),
        )
        store = self.tracking.store
        with store.writing():
            context = InputTag(mlflow_tags.MLFLOW_DATASET_CONTEXT, "training")
            store.client.log_inputs(self.id, [DatasetInput(dataset, [context])])
            tags = {"data.fingerprint": manifest.fingerprint, "data.source": manifest.source}
            entities.log(store.client, self.id, tags=entities.tags(tags))

    def log_file(self, path: Path, folder: str) -> None:
        """Records a file that no stage wrote, in a folder of the run's artifacts."""
        store = self.tracking.store
        with store.writing():
            store.client.log_artifact(self.id, str(path), folder)

    def conclude(self, error: str | None) -> None:
        """Writes the note; `error` is one line on why the run did not finish."""
        self.facts.error = error
        self.tracking.store.client.set_tag(self.id, mlflow_tags.MLFLOW_RUN_NOTE, compose_note(self.facts))

    def _begin(self, facts: StageFacts, how: str, ingredients: Ingredients) -> None:
        self.facts.stages.append(facts)
        tags = {f"stage.{facts.name}": how, f"code.{facts.name}": _digest(ingredients.code)}
        with self.tracking.store.writing():
            entities.log(self.tracking.store.client, self.id, tags=entities.tags(tags))


@dataclass
class Stage:
    """A stage that is being recorded."""

    run: Run
    id: str
    """Id of the nested MLflow run."""
    listener: "Listener"
    """Takes the records of the stage's journal."""
    reason: str
    result: StageResult | None = None
    """What the stage returned, once it has."""

    def conclude(self, error: str | None) -> None:
        """Sends what waits, and writes the nested run's note; `error` is one line on why the stage did not end."""
        self.listener.flush()
        summary = error or (self.result.summary if self.result else "")
        tags = {mlflow_tags.MLFLOW_RUN_NOTE: compose_stage_note(self.reason, self.listener.facts, summary)}
        if self.result:
            tags["stage.fingerprint"] = self.result.fingerprint
        entities.log(self.run.tracking.store.client, self.id, tags=entities.tags(tags))


@dataclass
class Listener:
    """Sends the records of a stage's journal to the pipeline run: metrics in batches, all else as it comes."""

    run: Run
    facts: StageFacts
    folder: Path
    """The stage's folder; artifacts are named relative to it."""
    _metrics: list[Metric] = field(default_factory=list)
    _flushed: float = field(default_factory=time.monotonic)

    def __call__(self, record: Mapping[str, Any]) -> None:
        """Takes one record; see `pipeline.journal.Journal` for their forms."""
        match record["kind"]:
            case "metrics":
                self.run.facts.metrics |= record["values"]
                self._metrics += entities.metrics(record["values"], record["step"])
            case "tags":
                self.run.facts.tags |= record["values"]
                with self._store.writing():
                    entities.log(self._store.client, self.run.id, tags=entities.tags(record["values"]))
            case "artifact":
                self._log_artifact(record["path"])
            case "say":
                self.facts.lines.append(record["text"])
            case kind:
                raise AssertionError(f"a journal has no records of kind {kind}")
        if time.monotonic() - self._flushed >= FLUSH_SECS:
            self.flush()

    def flush(self) -> None:
        """Sends the metrics that wait."""
        with self._store.writing():
            entities.log(self._store.client, self.run.id, metrics=self._metrics)
        self._metrics.clear()
        self._flushed = time.monotonic()

    @property
    def _store(self) -> Store:
        return self.run.tracking.store

    def _log_artifact(self, path: str) -> None:
        target = Path(self.facts.name, path.removeprefix("artifacts/"))
        with self._store.writing():
            self._store.client.log_artifact(self.run.id, str(self.folder / path), target.parent.as_posix())
        self.facts.artifacts.append(target.as_posix())


@contextlib.contextmanager
def _closing(store: Store, run_id: str, conclude: Callable[[str | None], None]) -> Iterator[None]:
    """Ends an MLflow run, after its last words, in the state that fits how the block was left."""
    try:
        yield
    except BaseException as error:
        stopped = isinstance(error, KeyboardInterrupt | SystemExit)
        reason = f"{type(error).__name__}: {one_line(error)}"
        try:
            with store.writing():
                store.client.set_tag(run_id, ERROR, reason)
                conclude(reason)
                store.client.set_terminated(run_id, "KILLED" if stopped else "FAILED")
        except UserError as lost:
            error.add_note(str(lost))
        raise
    with store.writing():
        conclude(None)
        store.client.set_terminated(run_id, "FINISHED")


@contextlib.contextmanager
def _system_metrics(tracking: Tracking, run_id: str) -> Iterator[None]:
    """Records CPU, memory, disk, network and GPU use under `system/` while the block runs."""
    if not tracking.config.system_metrics:
        yield
        return
    monitor = SystemMetricsMonitor(run_id, sampling_interval=SAMPLING_SECS, tracking_uri=tracking.store.uri)
    monitor.start()
    try:
        yield
    finally:
        monitor.finish()


def _experiment_id(store: Store, name: str) -> str:
    """Finds or creates the experiment of a name."""
    found = store.client.get_experiment_by_name(name)
    if found is None:
        location = store.artifacts.as_uri() if store.artifacts else None
        try:
            return str(store.client.create_experiment(name, artifact_location=location))
        except MlflowException:
            # Another process may have created it since.
            found = store.client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage != "active":
        raise UserError(
            f"tracking.experiment: expected one that takes runs. Received: {name}, which was deleted. "
            f"Restore it (mlflow experiments restore -x {found.experiment_id}) or name another"
        )
    return str(found.experiment_id)


def _source_tags(name: str, environment: Mapping[str, str]) -> dict[str, str]:
    """MLflow's own tags of who ran what, which its pages show."""
    tags = {
        mlflow_tags.MLFLOW_SOURCE_NAME: f"plumbline run {name}",
        mlflow_tags.MLFLOW_SOURCE_TYPE: "LOCAL",
        mlflow_tags.MLFLOW_USER: getpass.getuser(),
    }
    if "git.commit" in environment:
        tags[mlflow_tags.MLFLOW_GIT_COMMIT] = environment["git.commit"]
    return tags


def _digest(code: Mapping[str, str]) -> str:
    """One short hash for the code of many modules."""
    return hashlib.blake2b(json.dumps(code, sort_keys=True).encode(), digest_size=6).hexdigest()
