"""The search itself: asks the oracle, runs what it suggests on the workers, tells it what came of it.

Every ask and tell is an event of the study before it has any effect that outlives the process. A search that goes on
says them to a fresh oracle first, trains again what had not ended, and so ends as if it had never been killed.
"""

import functools
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from models.seeds import seed_for
from pipeline.continuation import PAUSE
from pipeline.errors import UserError
from pipeline.recipe.errors import RecipeError
from pipeline.recipe.load import dump_recipe
from pipeline.recipe.tree import Recipe
from pipeline.recipe.tune import searched_direction
from pipeline.recipe.tune_checks import RUNGS
from pipeline.whole import write_whole
from tuning.engine import MAX_RESTARTS, Engine, Worker
from tuning.record import StudyRun
from tuning.retention import Retention
from tuning.space import Space
from tuning.study import DEFAULTS, Job, Result, Study, job_of, ranked, read_result, result_file, result_of
from tuning.suggestions import Done, Oracle, Suggestion, Wait
from tuning.trial import run_trial, said

TICK_SECS = 0.5
"""How often the display is drawn while nothing ends."""


class View(Protocol):
    """Who shows a search while it goes on."""

    def started(self, job: Job, worker: Worker) -> None:
        """A training began."""

    def ended(self, job: Job, result: Result) -> None:
        """A training ended."""

    def lost(self, job: Job) -> None:
        """A training was ended from outside, or what it ran on is gone; the training goes on."""

    def tick(self) -> None:
        """Time went by."""


@dataclass
class Search:
    """One session of a study.

    Args:
        study: The study.
        space: Its space.
        oracle: Its oracle, not asked yet.
        workers: Where trials run.
        view: Who shows it.
        recorded: The run of the study, parent of the trials' runs.
        budget_secs: Wall time of the study over all its sessions; None: no limit.
        finals_secs: What finalists are expected to take: so much of the budget, at most half of it, is left to them.
    """

    study: Study
    space: Space
    oracle: Oracle
    workers: Engine
    view: View
    recorded: StudyRun
    budget_secs: float | None = None
    finals_secs: float = 0.0
    _jobs: dict[int, Job] = field(default_factory=dict)
    """Slot of a worker to the job that it runs."""
    _restarts: Counter[str] = field(default_factory=Counter)
    """How often a job was ended from outside, by its name."""
    _done: str | None = None
    """Why no more is asked of the oracle."""
    _ended_by: float | None = None
    """The budget that ended the search; None: something else did."""
    _waiting: bool = False
    """Whether the oracle can suggest nothing before a result."""

    def __post_init__(self) -> None:
        assert self.study.recipe.tune is not None
        self.section = self.study.recipe.tune
        self.direction = searched_direction(self.section)
        self._began = time.monotonic()
        self._spent = self.study.spent_secs()
        keep = max(self.section.keep, self.section.finalists)
        self._retention = Retention(self.study, keep, self.direction, self.section.algorithm in RUNGS)

    @property
    def spent_secs(self) -> float:
        """Wall time of this study so far, earlier sessions included."""
        return self._spent + time.monotonic() - self._began

    def run(self) -> str:
        """Searches until there is a reason to stop, then trains the finalists.

        Returns:
            Why the search stopped.
        """
        unfinished = self._replay()
        self.study.record("session", budget=self.budget_secs)
        try:
            if self.study.may_go_on(self.budget_secs):
                self._search(deque(unfinished))
                self.study.record("end", reason=self._done or "nothing was left to try", budget=self._ended_by)
                self._retention.clear()
            self._train_finalists()
            self._retention.clear()
        finally:
            self.workers.stop()
        reason = self.study.reason()
        assert reason is not None
        return reason

    def _replay(self) -> list[Job]:
        """Says the events so far to the oracle; returns the jobs that have no result."""
        open_jobs: dict[tuple[int, int], Job] = {}
        for event in self.study.events:
            if event["kind"] == "wait":
                self.oracle.ask()
            elif event["kind"] == "ask":
                job = job_of(event)
                if self._job(self.oracle.ask()) != job:
                    raise UserError(
                        f"{self.study.name}: the oracle does not suggest trial {job.trial} again as it was. "
                        "Its events come from another version; start a new study"
                    )
                open_jobs[job.trial, job.rung] = job
            elif event["kind"] == "tell" and event["seed"] is None:
                del open_jobs[event["trial"], event["rung"]]
                self.oracle.tell(event["trial"], result_of(event).score)
        return list(open_jobs.values())

    def _job(self, suggestion: Suggestion | Wait | Done) -> Job | None:
        if not isinstance(suggestion, Suggestion):
            return None
        point = self.space.point(suggestion.values)
        return Job(suggestion.trial, point, suggestion.rung, suggestion.epochs, suggestion.bracket)

    def _search(self, queue: deque[Job]) -> None:
        while True:
            while self.workers.free and (job := queue.popleft() if queue else self._next()):
                self._start(job, self._tell)
            if not self.workers.busy:
                return
            queue.extendleft(self._collect(self._tell))

    def _next(self) -> Job | None:
        """Asks the oracle, unless there is a reason not to."""
        self._done = self._done or self._limit()
        if self._done or (self._waiting and self.workers.busy):
            return None
        suggestion = self.oracle.ask()
        if isinstance(suggestion, Wait):
            self.study.record("wait")
            self._waiting = True
            return None
        if isinstance(suggestion, Done):
            self._done = suggestion.reason
            return None
        job = self._job(suggestion)
        assert job is not None
        self.study.asked(job)
        return job

    def _limit(self) -> str | None:
        """Why nothing new may begin."""
        if self.budget_secs is not None and self.spent_secs >= self.budget_secs - (kept := self._kept_for_finals()):
            self._ended_by = self.budget_secs
            rest = f", but for {kept:.0f} s that are left to the finalists" if kept else ""
            return f"the budget of {self.budget_secs:.0f} s is spent{rest}"
        failures = sum(trial.result is not None and trial.result.score is None for trial in self.study.trials())
        if self.section.max_failures is not None and failures > self.section.max_failures:
            return f"{failures} trials failed, more than tune.max_failures ({self.section.max_failures})"
        return None

    def _start(self, job: Job, tell: Callable[[Job, Result], None]) -> None:
        """Begins a job, unless it has ended already or its recipe is none."""
        folder = self.study.trial_folder(job)
        folder.mkdir(parents=True, exist_ok=True)
        out = result_file(folder, job)
        known = read_result(out)
        if known is None:
            try:
                recipe = dump_recipe(self.recipe(job))
            except RecipeError as error:
                known = Result("invalid", cause=said(error))
            else:
                write_whole(folder / "recipe.yaml", recipe, durable=True)
        if known is not None:
            tell(job, known)
            return
        target = functools.partial(run_trial, folder, out, self.section.objective, self.direction)
        worker = self.workers.start(target, folder / "log.txt")
        self._jobs[worker.slot] = job
        self.view.started(job, worker)

    def recipe(self, job: Job) -> Recipe:
        """The recipe of a job: its point, its seed, and where its run belongs.

        Raises:
            RecipeError: If it is no valid one.
        """
        tree = self.study.recipe.tracking.model_dump()
        tracking = {
            **tree,
            "system_metrics": False,
            "tags": {**tree["tags"], **self.recorded.tags, "study": self.study.name, "trial": job.name},
        }
        seed = {} if job.seed is None else {"seed": job.seed}
        # The last rung is the recipe as it will be run.
        pauses = job.epochs is not None and job.epochs < self.study.recipe.train.epochs
        point = {**job.point, PAUSE: job.epochs} if pauses else job.point
        return self.space.recipe(point, name=self.study.name, tracking=tracking, **seed)

    def _collect(self, tell: Callable[[Job, Result], None]) -> list[Job]:
        """Takes the results of the workers that end, or lets some time pass; returns the jobs that were lost."""
        lost = []
        for worker in self.workers.wait(TICK_SECS):
            job = self._jobs.pop(worker.slot)
            result = read_result(result_file(self.study.trial_folder(job), job))
            if result is None and worker.lost and self._restarts[job.name] < MAX_RESTARTS:
                self._restarts[job.name] += 1
                self.view.lost(job)
                lost.append(job)
                continue
            if result is None:
                secs = time.monotonic() - worker.started
                result = Result("failed", cause=self.workers.cause_of_death(worker), seconds=secs)
                self.recorded.log_death(self.study.trial_folder(job), result)
            tell(job, result)
        self.view.tick()
        return lost

    def _tell(self, job: Job, result: Result) -> None:
        self.study.told(job, result)
        self.oracle.tell(job.trial, result.score)
        self._waiting = False
        self._retention.clear()
        self.recorded.log_progress(self.direction)
        self.view.ended(job, result)

    def _train_finalists(self) -> None:
        """Trains the best trials, and the recipe as it stands, with the same other seeds."""
        best = ranked(self.study.trials(), self.direction)[: self.section.finalists]
        seeds = [seed_for(self.study.recipe.seed, "finalist", i) for i in range(self.section.seeds)]
        done = self.study.repeats()
        candidates = [Job(DEFAULTS, {}), *(Job(trial.number, trial.job.point) for trial in best)] if best else []
        # Seed by seed, so that a budget that ends leaves pairs.
        queue = deque(replace(job, seed=seed) for seed in seeds for job in candidates if (job.trial, seed) not in done)
        while queue or self.workers.busy:
            while queue and self.workers.free and not self._out_of_time():
                self._start(queue.popleft(), self._tell_repeat)
            if not self.workers.busy:
                return
            queue.extendleft(self._collect(self._tell_repeat))

    def _kept_for_finals(self) -> float:
        """Seconds of the budget that are left to the finalists: as expected, or as the longest trial so far says."""
        assert self.budget_secs is not None
        if not self.section.finalists:
            return 0.0
        longest = max((trial.seconds for trial in self.study.trials()), default=0.0)
        number = (self.section.finalists + 1) * self.section.seeds
        return min(max(self.finals_secs, longest * number / self.workers.num), self.budget_secs / 2)

    def _out_of_time(self) -> bool:
        return self.budget_secs is not None and self.spent_secs >= self.budget_secs

    def _tell_repeat(self, job: Job, result: Result) -> None:
        self.study.told(job, result)
        self._retention.clear()
        self.view.ended(job, result)
