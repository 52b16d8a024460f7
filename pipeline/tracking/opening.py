"""Opening a place for runs: what is left of dead ones, whether the store answers, and each run from begin to end.

A run is written to its own folder (`run.py`) and sent from there (`sending.py`): by a process beside it or a thread
while it goes on, and by itself at its end. No stage waits for the store.
"""

import contextlib
import getpass
import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import Timeout
from mlflow.exceptions import MlflowException
from mlflow.utils import mlflow_tags

from pipeline.errors import UserError
from pipeline.journal import RecordFile
from pipeline.recipe.tracking import TrackingConfig
from pipeline.tracking import entities
from pipeline.tracking.background import Shipping, begin
from pipeline.tracking.folder import RUN_TAG, Header, RunFolder, unsent_folders
from pipeline.tracking.note import RunFacts
from pipeline.tracking.reaping import PROCESS, end_dead, reap, reap_folders, this_process
from pipeline.tracking.run import Run, closing
from pipeline.tracking.sending import Sender
from pipeline.tracking.store import Store, StoreAwayError, absolute_uri, find_experiment, is_away, one_line, open_store
from pipeline.whole import write_whole

Say = Callable[[str], None]


@dataclass(frozen=True)
class Tracking:
    """A place on disk that takes runs, and the store that they are sent to."""

    config: TrackingConfig
    experiment: str
    """Name of the MLflow experiment."""
    base: Path
    """Folder that relative paths are relative to."""
    say: Say
    """Tells the user what goes on with the store."""
    reaped: list[str]
    """Ids of the MLflow runs found dead at the start, now KILLED."""
    opened: Store | None
    """The store, if it answered at the start."""

    @classmethod
    def open(cls, section: TrackingConfig, *, experiment: str, base: Path, say: Say = lambda _: None) -> "Tracking":
        """Closes the runs that killed processes left RUNNING, and looks whether the store answers.

        Args:
            section: The recipe's `tracking` section.
            experiment: Name of the experiment if the section has none.
            base: Folder that relative paths are relative to: the working directory.
            say: Is told in one line what the user should know: that the store is away, that records wait.

        Raises:
            UserError: If the URI is no store, or the experiment was deleted. A server that is away is no mistake.
        """
        name = section.experiment or experiment
        root = runs_root(base, section)
        try:
            store = open_store(section.uri, base)
            find_experiment(store, name)
        except StoreAwayError as away:
            reap_folders(root)
            say(f"{away.said}. The run goes on: it is recorded here, and sent when the store is back")
            return cls(section, name, base, say, [], None)
        except MlflowException as error:
            if not is_away(error):
                raise
            say(f"{one_line(error)}. The run goes on: it is recorded here, and sent when the store is back")
            return cls(section, name, base, say, [], None)
        tracking = cls(section, name, base, say, reap(store.client), store)
        tracking._send_dead()
        waiting = [folder for folder in unsent_folders(root) if not folder.lives()]
        if waiting:
            say(f"{len(waiting)} earlier runs have records that their store lacks: `plumbline sync` sends them")
        return tracking

    @property
    def store(self) -> Store:
        """The store; opened now if it was away at the start.

        Raises:
            StoreAwayError: If it still is.
        """
        return self.opened or open_store(self.config.uri, self.base)

    @property
    def experiment_id(self) -> str:
        """MLflow's id of the experiment."""
        return find_experiment(self.store, self.experiment)

    def close_dead(self, run_id: str, tags: Mapping[str, str], metrics: Mapping[str, float]) -> None:
        """Closes a run whose process has died, as KILLED, with what is known of it; if it ever was one.

        Args:
            run_id: What its id file holds: the name of its folder; or our id of it, if it died before it had noted the
                store's.
            tags: To record before it ends.
            metrics: Likewise.
        """
        folder = self._dead_folder(run_id)
        if folder is None:
            return
        with folder.writing():
            records = RecordFile(folder.journal)
            records.append({"kind": "tags", "run": "", "values": dict(tags)})
            records.append({"kind": "metrics", "run": "", "values": dict(metrics), "step": None})
            if not end_dead(records):  # another run has ended it by now, or it never began
                ends = [record["status"] for record in records.records if record["kind"] == "end" and not record["run"]]
                records.append({"kind": "end", "run": "", "status": ends[-1] if ends else "KILLED"})
        folder.mark_unsent()
        self.send(Sender(folder))

    def _dead_folder(self, run_id: str) -> RunFolder | None:
        """The folder of a run, made now if its process died between creating it in the store and that; None: no run."""
        folder = RunFolder(runs_root(self.base, self.config) / run_id)
        if folder.exists or not self.opened:
            return folder if folder.exists else None
        with contextlib.suppress(MlflowException, OSError), self.opened.turn():
            if created := self._find(self.opened, run_id):
                return self._make(
                    created.info.run_id, created.info.run_name, {}, created.info.start_time, in_store=True
                )
        return None

    def _send_dead(self) -> None:
        for folder in reap_folders(runs_root(self.base, self.config)):
            self.send(Sender(folder))

    @contextlib.contextmanager
    def run(
        self,
        name: str,
        *,
        params: Mapping[str, Any],
        environment: Mapping[str, str],
        artifacts: Mapping[str, str],
        run_id: str | None = None,
        id_file: Path | None = None,
        shipping: Shipping | None = "process",
    ) -> Iterator[Run]:
        """Records one pipeline run; it ends as FINISHED, FAILED or KILLED, whatever happens in the block.

        Args:
            name: Name of the run.
            params: Flat recipe keys.
            environment: Flat facts of code and machine, kept as tags and as `environment.json`.
            artifacts: File name in the run to its text: `{"recipe.yaml": ...}`.
            run_id: A run whose process died, which goes on now; a new run if there is no record of it.
            id_file: File that keeps the run's id, beside what the run is about: each call with it goes on with the one
                run, wherever the process of an earlier one was killed.
            shipping: What sends records while the run goes on; None: nothing, they are sent at its end.

        Raises:
            UserError: If the disk does not take a record.
        """
        folder, again = self._folder(name, params, run_id, id_file)
        with _only_writer(folder):
            folder.mark_unsent()
            run = Run(self, folder, RunFacts(name, params))
            background = begin(shipping, folder) if shipping else None
            try:
                with closing(run, "", run.conclude):
                    tags = {RUN_TAG: run.id, **environment, **self.config.tags, **_source_tags(name, environment)}
                    run.begin("", tags, again=again)
                    if not any(record["kind"] == "params" for record in folder.records()):
                        run.record("params", values=dict(params))
                    files = {"environment.json": json.dumps(environment, indent=2, ensure_ascii=False), **artifacts}
                    for file, text in files.items():
                        run.log_text(text, file)
                    yield run
            finally:
                sent = self.send(run.sender)
                if background:
                    background.end(sent=sent)

    def send(self, sender: Sender) -> bool:
        """Sends what a run's store lacks, and says what could not be sent.

        Returns:
            Whether nobody else is sending it any more.
        """
        try:
            sender.send()
        except Timeout:
            return False
        except UserError as error:
            said = error.said if isinstance(error, StoreAwayError) else error
            self.say(f"{said}. All of run {sender.folder.path.name} is kept here: `plumbline sync` sends it")
        for refused in sender.folder.sent.refused:
            self.say(f"run {sender.folder.path.name}: the store does not take {refused}")
        return True

    def _folder(
        self, name: str, params: Mapping[str, Any], run_id: str | None, id_file: Path | None
    ) -> tuple[RunFolder, bool]:
        """The folder of a run that goes on, or of a new one; and whether it goes on."""
        if id_file is not None and id_file.exists():
            run_id = id_file.read_text(encoding="utf-8")
        folder = RunFolder(runs_root(self.base, self.config) / run_id) if run_id else None
        if folder is not None and (folder.journal.exists() or (id_file is not None and folder.exists)):
            return folder, True
        if id_file is None:
            return self._create(name, params, uuid.uuid4().hex, may_exist=False), False
        own = run_id or uuid.uuid4().hex
        # Before there is a run: by our id it is found if its creator is killed before it has noted the store's.
        write_whole(id_file, own, durable=True)
        folder = self._create(name, params, own, may_exist=run_id is not None)
        write_whole(id_file, folder.path.name, durable=True)
        return folder, run_id is not None

    def _create(self, name: str, params: Mapping[str, Any], own: str, *, may_exist: bool) -> RunFolder:
        """Makes the folder of a new run, and the run in the store if it answers.

        Args:
            name: Name of the run.
            params: Flat recipe keys.
            own: Our id of it, by which it is found again if the store's answer is lost.
            may_exist: Whether to look for it in the store first.
        """
        started, run_id = time.time_ns() // 1_000_000, None
        if self.opened:
            # Those of the recipe too: by one of them a run belongs to another from its first moment on.
            known = {tag.key: tag.value for tag in entities.tags(self.config.tags)}
            tags = {**known, PROCESS: this_process(), RUN_TAG: own}
            client = self.opened.client
            with contextlib.suppress(MlflowException, OSError), self.opened.turn():
                found = self._find(self.opened, own) if may_exist else None
                created = found or client.create_run(self.experiment_id, started, tags, name)
                run_id = str(created.info.run_id)
        return self._make(run_id or own, name, params, started, in_store=run_id is not None)

    def _find(self, store: Store, own: str) -> Any:
        """The store's run that was created under our id of it; None if there is none."""
        found = store.client.search_runs([self.experiment_id], f"tags.`{RUN_TAG}` = '{own}'")
        return found[0] if found else None

    def _make(self, run_id: str, name: str, params: Mapping[str, Any], started: int, *, in_store: bool) -> RunFolder:
        """The folder of a run by its id, made if it is not there."""
        root = runs_root(self.base, self.config)
        if (folder := RunFolder(root / run_id)).exists:
            return folder
        header = Header(
            id=run_id,
            name=name,
            experiment=self.experiment,
            uri=self.opened.uri if self.opened else absolute_uri(self.config.uri, self.base),
            started=started,
            params=dict(params),
            in_store=in_store,
        )
        return RunFolder.create(root, header)


def runs_root(base: Path, section: TrackingConfig) -> Path:
    """Where the folders of runs lie."""
    return base / section.directory / "runs"


@contextlib.contextmanager
def _only_writer(folder: RunFolder) -> Iterator[None]:
    try:
        lock = folder.writing().acquire()
    except Timeout as error:
        raise UserError(f"run {folder.path.name} goes on in another process: wait for it, or end it first") from error
    with lock:
        yield


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
