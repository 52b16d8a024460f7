"""What a search looks like in the terminal: what will happen, what is happening, what came of it."""

import math
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from pipeline.recipe.tune import TuneConfig, searched_direction
from pipeline.terminal import console
from tuning.schedule import Schedule
from tuning.space import Point, Space
from tuning.study import DEFAULTS, Job, Result, Study, Trial, ranked

if TYPE_CHECKING:
    from tuning.engine import Worker
    from tuning.outcome import Outcome

LAST_TRIALS = 8
"""Trials that the live table shows, the last ones."""


def print_schedule(
    study: Study,
    space: Space,
    schedule: Schedule,
    measured: Mapping[str, float],
    workers: int,
    budget: float | None,
    *,
    cores: int | None = None,
) -> None:
    """Prints what will happen: trainings and epochs of each rung, time and disk; `cores`: all that there are."""
    assert study.recipe.tune is not None
    section, out = study.recipe.tune, console()
    out.print(
        f"study {study.name}: {section.algorithm} over {len(space.parameters)} keys, "
        f"{searched_direction(section)} {section.objective}, {workers} at once",
        highlight=False,
    )
    for key, reason in space.left_out.items():
        out.print(escape(f"  · {key} is not searched: {reason}"), highlight=False)
    for line in _warnings(section, space, schedule, workers, cores):
        out.print(f"  · {line}", highlight=False)
    table = _table("", "trainings", "epochs each", "epochs", "time")
    for rung in [*schedule.rungs, *([schedule.finals] if schedule.finals else [])]:
        span = f"{rung.first_epoch} → {rung.epochs}" if rung.first_epoch else str(rung.epochs)
        table.add_row(
            rung.name, str(rung.jobs), span, f"{rung.trained_epochs:,}", duration(rung.seconds(measured) / workers)
        )
    out.print(table)
    expected = schedule.seconds(measured, workers)
    out.print(
        f"about {duration(expected)} at the speed of the recipe as it stands "
        f"({measured['epoch_secs']:.2f} s an epoch, {measured['start_secs']:.1f} s to start)",
        highlight=False,
    )
    kept, largest = max(section.keep, section.finalists), schedule.kept_at_most(section)
    size = measured["trial_bytes"] / 2**20
    until = f"; before the search ends one training a trial, {largest * size:.1f} MiB, beside those that run"
    out.print(
        f"disk: the best {kept} keep weights and state, {kept * size:.1f} MiB at the size of the recipe as it stands"
        f"{until if largest > kept else ''}",
        highlight=False,
    )
    if budget is not None:
        cut = ", and will end it first" if budget < expected else ""
        fits = ": as many trials as fit" if schedule.fits else ""
        out.print(f"the budget is {duration(budget)}{fits}{cut}", highlight=False)


def _warnings(section: TuneConfig, space: Space, schedule: Schedule, workers: int, cores: int | None) -> Iterator[str]:
    if cores is not None and workers * (threads := space.tree["train"]["threads"]) > cores:
        yield (
            f"{workers} trials at once on {threads} threads each are more than the {cores} cores here: they hold each "
            "other up; lower --workers or train.threads"
        )
    if section.algorithm == "bayesian":
        # As Keras Tuner has it.
        first, trials = 3 * len(space.parameters), schedule.rungs[0].jobs
        never = f": all of the {trials} planned are" if first >= trials else ""
        yield f"points are drawn at random until {first} trials have a score{never}"


class LiveView:
    """Shows a search while it goes on: a table on a terminal, a line a training elsewhere.

    Args:
        study: The study.
        schedule: What was planned.
        budget_secs: Wall time of the study over all its sessions; None: no limit.
    """

    def __init__(self, study: Study, schedule: Schedule, budget_secs: float | None = None):
        assert study.recipe.tune is not None
        self._study = study
        self._direction = searched_direction(study.recipe.tune)
        self._search_epochs = sum(rung.trained_epochs for rung in schedule.rungs)
        self._final_epochs = schedule.finals.trained_epochs if schedule.finals else 0
        self._budget_secs = math.inf if budget_secs is None else budget_secs
        self._fits = schedule.fits
        self._running: dict[str, tuple[Job, Worker, float]] = {}
        self._began = time.monotonic()
        self._console: Console = console()
        self._live = Live(console=self._console, refresh_per_second=4, transient=True)

    def __enter__(self) -> "LiveView":
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def started(self, job: Job, worker: "Worker") -> None:
        """Adds a training."""
        self._running[job.name] = (job, worker, time.monotonic())
        self.tick()

    def ended(self, job: Job, result: Result) -> None:
        """Takes it off, and prints a line where there is no table."""
        self._running.pop(job.name, None)
        if not self._console.is_terminal:
            best = ranked(self._study.trials(), self._direction)
            shown = f"{best[0].result.score:.4g}" if best and best[0].result else "none"
            scored = [] if result.score is None else [f"{result.score:.4g}"]
            came = ", ".join([*scored, *([f"{result.status}: {result.cause}"] if result.cause else [])])
            line = f"{_label(job)}  {came}  ({result.seconds:.1f} s; best {shown})"
            self._console.print(escape(line), highlight=False)
        self.tick()

    def lost(self, job: Job) -> None:
        """Takes it off; it comes again when it goes on elsewhere."""
        self._running.pop(job.name, None)
        self._console.print(f"{_label(job)}  its process is gone; it goes on in another", highlight=False)

    def tick(self) -> None:
        """Draws the table anew."""
        if self._console.is_terminal:
            self._live.update(self._drawn())

    def _drawn(self) -> Group:
        trials = self._study.trials()
        best = ranked(trials, self._direction)
        ended = [trial for trial in trials if trial.result]
        table = trials_table(ended[-LAST_TRIALS:])
        for job, worker, since in self._running.values():
            message = worker.message
            objective = f"{message['objective']:.4g}" if message else ""
            last = job.epochs or self._study.recipe.train.epochs
            epoch = f"epoch {message['epoch'] + 1} of {last}" if message else "starts"
            table.add_row(_label(job), epoch, objective, duration(time.monotonic() - since), escape(_values(job.point)))
        left = f", about {duration(self._left_secs(ended))} left" if ended else ""
        found = (
            f"best {best[0].result.score:.4g} (trial {best[0].number})" if best and best[0].result else "no score yet"
        )
        return Group(table, f"{len(ended)} trials ended, {found}{left}")

    def _left_secs(self, ended: list[Trial]) -> float:
        """Expected time of what is planned and has not ended; a training that ended early counts as a whole one."""
        whole = self._study.recipe.train.epochs
        searched = sum(
            trial.result.epochs if trial.job.name in self._running and trial.result else trial.job.epochs or whole
            for trial in ended
        )
        finals = len(self._study.repeats()) * whole
        left = 0 if self._study.reason() else max(0, self._search_epochs - searched)
        left += max(0, self._final_epochs - finals)
        spent = self._study.spent_secs()
        rest = max(0.0, self._budget_secs - spent)
        return rest if self._fits else min(rest, spent * left / (searched + finals))


def print_study(study: Study) -> None:
    """Prints the trials of a study, the best first, those without a score last."""
    assert study.recipe.tune is not None
    direction, out = searched_direction(study.recipe.tune), console()
    trials = ranked(study.trials(), direction)
    numbers = {trial.number for trial in trials}
    others = [trial for trial in study.trials() if trial.number not in numbers]
    reason, is_running = study.reason(), study.is_running()
    out.print(trials_table([*trials, *others], unfinished="running" if is_running else "interrupted"))
    said = f"stopped: {reason}" if reason else f"not finished: plumbline tune --resume {study.argument}"
    out.print("running: a process is at it" if is_running else escape(said), highlight=False)


def print_outcome(study: Study, outcome: "Outcome | None", reason: str) -> None:
    """Prints why the search stopped and what it found."""
    out, section = console(), study.recipe.tune
    assert section is not None
    out.print(f"stopped   {escape(reason)}", highlight=False)
    if outcome is None:
        said = f"best      none: no trial has a score; `plumbline study {study.argument}` lists the causes"
        out.print(escape(said), highlight=False)
        return
    assert outcome.best.result is not None
    out.print(f"best      trial {outcome.best.number}: {section.objective} {score_in_words(outcome)}", highlight=False)
    out.print(f"          {escape(_values(outcome.best.job.point))}", highlight=False)
    out.print(f"gain      {escape(gain_in_words(outcome, section))}", highlight=False)
    out.print(f"run it    plumbline run {escape(str(outcome.file))}", highlight=False)
    if caveat := score_caveat(study, outcome):
        out.print(f"          {caveat}", highlight=False)


def score_in_words(outcome: "Outcome") -> str:
    """What the best trial is worth: under seeds that it was not chosen by, where it was trained again."""
    assert outcome.best.result is not None
    searched = f"{outcome.best.result.score:.4g} in the search"
    return f"{outcome.fresh} ({searched})" if outcome.fresh else searched


def gain_in_words(outcome: "Outcome", section: TuneConfig) -> str:
    """The gain with its interval, or why there is none."""
    if outcome.gain:
        lower = "; positive: lower by so much" if searched_direction(section) == "min" else ""
        return f"{outcome.gain} against the recipe as it stands{lower}"
    if not section.finalists:
        return "not measured: tune.finalists is 0"
    if outcome.fresh is None:
        return "not measured: no time was left for the finalists; --resume with a larger --budget"
    return "not measured: fewer than two seeds have a score of both, the best trial and the recipe as it stands"


def score_caveat(study: Study, outcome: "Outcome") -> str:
    """Why `plumbline run` will show another value than the score in the search; empty where nothing says so."""
    result, train = outcome.best.result, study.recipe.train
    assert result is not None
    if (outcome.best.job.epochs or train.epochs) < train.epochs:
        return f"which trains {train.epochs} epochs, of which the trial had {result.epochs}: its validation will differ"
    if train.early_stopping is None and result.best_epoch != result.epochs - 1:
        return (
            "which keeps the weights of the last epoch, as it has no train.early_stopping; "
            f"the score is that of epoch {(result.best_epoch or 0) + 1} of {result.epochs}"
        )
    return ""


def studies_table(studies: list[Study]) -> Table:
    """One line a study."""
    table = _table("study", "algorithm", "trials", "best", "time", "stopped")
    for study in studies:
        assert study.recipe.tune is not None
        trials = study.trials()
        best = ranked(trials, searched_direction(study.recipe.tune))
        score = f"{best[0].result.score:.4g}" if best and best[0].result else ""
        ended = str(sum(trial.result is not None for trial in trials))
        reason = "running" if study.is_running() else escape(study.reason() or "not finished")
        table.add_row(study.name, study.recipe.tune.algorithm, ended, score, duration(study.spent_secs()), reason)
    return table


def trials_table(trials: list[Trial], unfinished: str = "interrupted") -> Table:
    """One line a trial; `unfinished`: the state of one without a result."""
    table = _table("trial", "state", "objective", "time", "values")
    for trial in trials:
        result = trial.result
        state = unfinished if result is None else f"{result.epochs} epochs"
        if result and result.cause:
            state = f"[red]{result.status}[/]: {escape(result.cause)}"
        score = f"{result.score:.4g}" if result and result.score is not None else ""
        table.add_row(_label(trial.job), state, score, duration(trial.seconds), escape(_values(trial.job.point)))
    return table


def duration(secs: float) -> str:
    """A time in words: `45 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = round(secs)
    if whole < 60:
        return f"{secs:.1f} s" if secs < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _label(job: Job) -> str:
    number = "recipe" if job.trial == DEFAULTS else f"trial {job.trial}"
    rung = f" rung {job.rung + 1}" if job.rung else ""
    return f"{number}{rung}" + (f" seed {job.seed}" if job.seed is not None else "")


def _values(point: Point) -> str:
    return "  ".join(f"{key}={_short(value)}" for key, value in point.items())


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _table(*columns: str) -> Table:
    return Table(*columns, box=None, pad_edge=False, header_style="dim")
