"""A study on disk: what is searched, every ask and tell in order, and a folder for each trial.

`<tracking.directory>/studies/<name>/` holds `recipe.yaml` (with its `tune` section), `study.json`, `events.jsonl`,
`trials/<number>/`, and at the end `best.yaml` and figures. The events alone decide how a study that was killed goes
on: the oracle is a function of them.
"""

import contextlib
import json
import os
import shlex
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from pipeline.errors import UserError
from pipeline.journal import RecordFile, read_journal
from pipeline.recipe.errors import nearest
from pipeline.recipe.load import dump_recipe, load_recipe
from pipeline.recipe.tree import Recipe
from pipeline.whole import write_whole
from tuning.space import Point

LIBRARIES = ("keras-tuner", "numpy", "scikit-learn", "scipy")
"""Distributions whose version decides which points an oracle suggests."""


DIRECTORY = "mlruns"
"""Where commands look for studies unless they are told."""

LOCK_SECS = 0.5
"""How long a driver waits for who only looks whether there is one."""

DEFAULTS = -1
"""Number that stands for the recipe as it is, which finalists are compared with."""


@dataclass(frozen=True)
class Job:
    """One training: a trial up to a rung, or a finalist with another seed."""

    trial: int
    """Number of the trial; `DEFAULTS`: the recipe as it stands."""
    point: Point
    rung: int = 0
    epochs: int | None = None
    """Epochs to train in all; None: those of the recipe."""
    bracket: int = 0
    seed: int | None = None
    """Of a finalist; None: that of the recipe, as in the search."""

    @property
    def name(self) -> str:
        """What it is called, and its folder below `trials/`: the same for all rungs of a trial."""
        number = "defaults" if self.trial == DEFAULTS else f"{self.trial:04d}"
        return number if self.seed is None else f"{number}-seed{self.seed}"


@dataclass(frozen=True)
class Result:
    """What came of a job."""

    status: str
    """scored, stopped (by the diagnosis, with the score so far), failed or invalid."""
    score: float | None = None
    """The objective at its best epoch; None where it failed or is invalid."""
    cause: str = ""
    """Why it was stopped or has no score, one line."""
    epochs: int = 0
    """Epochs trained in all."""
    best_epoch: int | None = None
    """Epoch of the score, from 0."""
    seconds: float = 0.0
    """Wall time of the training."""
    run_id: str = ""
    """MLflow run of the training."""
    weights: str = ""
    """Folder with the trained network; empty where the job did not make it, or it was cleared."""
    curve: tuple[float, ...] = ()
    """The objective of each epoch."""

    @property
    def tags(self) -> dict[str, str]:
        """What its run in MLflow says of it."""
        return {"trial.status": self.status, "trial.cause": self.cause}


@dataclass
class Trial:
    """A trial as the events tell it: the last of its rungs."""

    job: Job
    result: Result | None = None
    """Of the last rung that has ended; None: none has."""
    seconds: float = 0.0
    """Wall time of all its rungs."""

    @property
    def number(self) -> int:
        """Counts from 0 in the order of the asks."""
        return self.job.trial


@dataclass
class Study:
    """An open study."""

    folder: Path
    recipe: Recipe
    facts: dict[str, Any]
    """`study.json`: what else must be known to go on."""
    _file: RecordFile | None = None
    """Opened by who writes: that cuts off what a kill has torn, which may be what another process just writes."""

    def __post_init__(self) -> None:
        self.events: list[dict[str, Any]] = list(read_journal(self._path))
        """Every record so far, in order."""

    @property
    def _path(self) -> Path:
        return self.folder / "events.jsonl"

    @property
    def name(self) -> str:
        """Name of the study and of its folder."""
        return self.folder.name

    @property
    def argument(self) -> str:
        """What a command is given to find it: its name, and its directory where that is not the usual one."""
        directory = self.folder.parent.parent
        return self.name if str(directory) == DIRECTORY else f"{self.name} --directory {shlex.quote(str(directory))}"

    @property
    def budget_secs(self) -> float | None:
        """The budget of its last session, or that it began with; None: no limit."""
        known = [event["budget"] for event in self.events if event["kind"] == "session" and "budget" in event]
        budget: float | None = known[-1] if known else self.facts["budget_secs"]
        return budget

    @classmethod
    def create(cls, recipe: Recipe, **facts: Any) -> "Study":
        """Makes the folder of a new study, named after the recipe and the next free number."""
        root = studies_root(recipe.tracking.directory)
        root.mkdir(parents=True, exist_ok=True)
        numbers = [int(path.name.rpartition("-")[2]) for path in root.glob(f"{recipe.name}-*") if _is_number(path)]
        folder = root / f"{recipe.name}-{max(numbers, default=0) + 1}"
        folder.mkdir()
        known = {"libraries": {name: version(name) for name in LIBRARIES}, **facts}
        write_whole(folder / "recipe.yaml", dump_recipe(recipe), durable=True)
        write_whole(folder / "study.json", json.dumps(known, indent=2) + "\n", durable=True)
        return cls(folder, recipe, known)

    @classmethod
    def open(cls, name: str, directory: str = DIRECTORY) -> "Study":
        """Opens a study to look at it or to go on with it.

        Raises:
            UserError: If there is none of that name.
        """
        root = studies_root(directory)
        names = sorted(path.parent.name for path in root.glob("*/study.json"))
        if name not in names:
            raise UserError(
                f"study: expected one of {', '.join(names) or 'none so far'} in {root}. "
                f"Received: {name!r}{nearest(name, names)}"
            )
        facts = json.loads((root / name / "study.json").read_text(encoding="utf-8"))
        return cls(root / name, load_recipe(root / name / "recipe.yaml"), facts)

    @contextlib.contextmanager
    def only_driver(self) -> Iterator[None]:
        """Holds the study for this process; the lock dies with it.

        Raises:
            UserError: If another process has it, or the libraries that its oracle is made by have changed.
        """
        now = {name: version(name) for name in LIBRARIES}
        changed = [f"{name} {was} → {now[name]}" for name, was in self.facts["libraries"].items() if now[name] != was]
        if changed:
            raise UserError(
                f"{self.name}: expected the libraries that it began with, as they decide its points. "
                f"Changed: {', '.join(changed)}. Install these again, or start a new study"
            )
        try:
            with self._lock(LOCK_SECS):
                # What another driver did since the study was opened.
                self._file, self.events = None, list(read_journal(self._path))
                yield
        except Timeout:
            raise UserError(f"{self.name}: another process is running this study") from None

    def is_running(self) -> bool:
        """Whether a process drives it."""
        try:
            with self._lock(0):
                return False
        except Timeout:
            return True
        except PermissionError:  # a study that one may only read
            return False

    def _lock(self, timeout_secs: float) -> FileLock:
        return FileLock(self.folder / ".lock", timeout=timeout_secs)

    def record(self, kind: str, **more: Any) -> None:
        """Appends an event; it is on the disk when this returns."""
        self._file = self._file or RecordFile(self._path)
        self.events.append(self._file.append({"kind": kind, **more}))
        handle = os.open(self._path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def asked(self, job: Job) -> None:
        """Records what the oracle suggested."""
        self.record("ask", **asdict(job))

    def told(self, job: Job, result: Result) -> None:
        """Records what came of it."""
        written = {**asdict(result), "curve": list(result.curve)}
        self.record("tell", trial=job.trial, rung=job.rung, seed=job.seed, result=written)

    def trials(self) -> list[Trial]:
        """The trials in the order of their numbers, each as its last rung left it."""
        trials: dict[int, Trial] = {}
        for event in self.events:
            if event["kind"] == "ask":
                job = job_of(event)
                before = trials.get(job.trial)
                trials[job.trial] = Trial(job, before.result, before.seconds) if before else Trial(job)
            elif event["kind"] == "tell" and event["seed"] is None:
                trial = trials[event["trial"]]
                trial.result = result_of(event)
                trial.seconds += trial.result.seconds
        return list(trials.values())

    def repeats(self) -> dict[tuple[int, int], Result]:
        """Results of finalists by trial and seed."""
        told = [event for event in self.events if event["kind"] == "tell" and event["seed"] is not None]
        return {(event["trial"], event["seed"]): result_of(event) for event in told}

    def reason(self) -> str | None:
        """Why the search ended; None if it has not."""
        end = self._end()
        return end["reason"] if end else None

    def may_go_on(self, budget_secs: float | None) -> bool:
        """Whether the search has not ended, or ended because its budget was smaller than the one that it has now."""
        end = self._end()
        if end is None or end.get("budget") is None:
            return end is None
        return budget_secs is None or budget_secs > end["budget"]

    def _end(self) -> dict[str, Any] | None:
        last = next((event for event in reversed(self.events) if event["kind"] in ("end", "ask")), None)
        return last if last and last["kind"] == "end" else None

    def spent_secs(self) -> float:
        """Wall time of all sessions so far, each from its beginning to its last event."""
        total, began, last = 0.0, 0.0, 0.0
        for event in self.events:
            if event["kind"] == "session":
                total += last - began
                began = event["time"] / 1000
            last = event["time"] / 1000
        return total + last - began

    def trial_folder(self, job: Job) -> Path:
        """The folder of a job's recipe, log and result."""
        return self.folder / "trials" / job.name


def studies_root(directory: str) -> Path:
    """Where studies lie below the recipe's `tracking.directory`."""
    return Path(directory) / "studies"


def list_studies(directory: str) -> list[Study]:
    """Every study there, oldest first."""
    files = sorted(studies_root(directory).glob("*/study.json"), key=lambda file: file.stat().st_mtime)
    return [Study.open(file.parent.name, directory) for file in files]


def job_of(event: dict[str, Any]) -> Job:
    """Reads a job back from an event."""
    return Job(**{key: event[key] for key in Job.__dataclass_fields__})


def result_of(event: dict[str, Any]) -> Result:
    """Reads a result back from an event."""
    return Result(**{**event["result"], "curve": tuple(event["result"]["curve"])})


def result_file(folder: Path, job: Job) -> Path:
    """Where the process of a job writes its result, in the folder of the trial."""
    return folder / f"result-{job.rung}.json"


def read_result(file: Path) -> Result | None:
    """Reads what a trial's process has written at its end; None if it has not ended."""
    return result_of({"result": json.loads(file.read_text(encoding="utf-8"))}) if file.exists() else None


def read_rungs(folder: Path) -> list[Result]:
    """Reads the results of the rungs of a trial that have ended, from its folder."""
    return [result for file in folder.glob("result-*.json") if (result := read_result(file))]


def ranked(trials: list[Trial], direction: str) -> list[Trial]:
    """The trials with a score, the best first; among equals the one that was trained longer, then the earlier one."""
    sign = 1 if direction == "min" else -1
    scored = [trial for trial in trials if trial.result and trial.result.score is not None]
    return sorted(scored, key=lambda t: (sign * t.result.score, -t.result.epochs, t.number))  # type: ignore[union-attr, operator]


def _is_number(path: Path) -> bool:
    return path.name.rpartition("-")[2].isdigit()
