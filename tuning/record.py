"""The study's own run in MLflow: the parent of its trials, with the progress, the figures and the note."""

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.environment import environment
from pipeline.nested import PARENT
from pipeline.recipe.load import dump_recipe
from pipeline.tracking import Tracking
from tuning.study import Result, Study, ranked, read_rungs

if TYPE_CHECKING:
    from pipeline.tracking import Run

RUN_ID = "run_id"
"""File in the folder of a study, or of a trial, that holds the id of its run."""

OBJECTIVE = "objective"
"""Metric of a trial's run: its score; no number for one that failed."""

SECONDS = "seconds"
"""Metric of a trial's run: wall time of its process, over all its rungs."""

EPOCHS = "epochs"
"""Metric of a trial's run: how many it was trained for, over all its rungs."""


@dataclass(frozen=True)
class StudyRun:
    """The open parent run of a study."""

    study: Study
    run: "Run"

    @property
    def tags(self) -> dict[str, str]:
        """What makes a run one of its children."""
        return {PARENT: self.run.id}

    def log_progress(self, direction: str) -> None:
        """Records the best score after the trials so far, by their number."""
        trials = self.study.trials()
        best = ranked(trials, direction)
        if best and best[0].result:
            done = sum(trial.result is not None for trial in trials)
            self.run.record("metrics", values={"best_objective": best[0].result.score}, step=done)

    def log_death(self, trial: Path, result: Result) -> None:
        """Records why the process of a trial died, in the trial's own run, and closes that.

        Args:
            trial: Folder of the trial.
            result: What is known of it.
        """
        file = trial / RUN_ID
        if file.exists():
            secs = result.seconds + sum(rung.seconds for rung in read_rungs(trial))
            known = {OBJECTIVE: math.nan, SECONDS: secs}
            self.run.tracking.close_dead(file.read_text(encoding="utf-8"), result.tags, known)

    def finish(self, files: list[Path], note: str, values: dict[str, float]) -> None:
        """Records what came of the study."""
        for file in files:
            self.run.log_artifact(file, f"study/{file.name}")
        if values:
            self.run.record("metrics", values=values, step=None)
        self.run.facts.note = note


def open_tracking(study: Study) -> Tracking:
    """Opens the store that a study is recorded in."""
    return Tracking.open(study.recipe.tracking, experiment=study.recipe.name, base=Path.cwd())


@contextlib.contextmanager
def study_run(study: Study, tracking: Tracking) -> Iterator[StudyRun]:
    """Opens the run of a study; a study that goes on, goes on with its run."""
    recipe = study.recipe
    with tracking.run(
        study.name,
        params=recipe.flat(),
        environment=environment(Path.cwd()),
        artifacts={"recipe.yaml": dump_recipe(recipe)},
        id_file=study.folder / RUN_ID,
        shipping="thread",
    ) as run:
        run.record("tags", values={"study": study.name})
        yield StudyRun(study, run)
