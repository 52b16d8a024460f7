"""Which weights a study keeps: those of its best trials, and before its end what trials may go on from."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.cache import Cache
from tuning.record import RUN_ID
from tuning.study import Job, Study, ranked

RECORDS = ("history.json", "journal.jsonl", "entry.json")
"""What stays of a training whose weights go."""


@dataclass
class Retention:
    """Clears the trainings of a study that are not among the best.

    Only what a trial of this study trained itself is cleared: a result that it took from the cache is someone else's.

    Args:
        study: The study.
        keep: How many trials keep their weights.
        direction: min or max.
        promotes: Whether trials go on after a result.
    """

    study: Study
    keep: int
    direction: str
    promotes: bool
    _cleared: set[str] = field(default_factory=set)

    def clear(self) -> None:
        """Removes what is not to be kept now; a trial that may be promoted keeps its last rung, to go on from.

        That is so after a search that its budget ended too: with a larger one it goes on.
        """
        trials, repeats = self.study.trials(), self.study.repeats()
        is_open = self.promotes and self.study.may_go_on(None)
        keeping = trials if is_open else ranked(trials, self.direction)[: self.keep]
        kept = {trial.result.weights for trial in keeping if trial.result}
        made = {event["result"]["weights"] for event in self.study.events if event["kind"] == "tell"}
        for folder in made - kept - self._cleared - {""}:
            _clear(Path(folder), self.study.folder / "records")
            self._cleared.add(folder)
        failed = [trial.job for trial in trials if trial.result and trial.result.score is None]
        failed += [Job(number, {}, seed=seed) for (number, seed), result in repeats.items() if result.score is None]
        self._clear_failed(failed)

    def _clear_failed(self, jobs: list[Job]) -> None:
        """Removes what failed trainings have left, with a checkpoint or without: nothing goes on from it."""
        runs = {job.name: self.study.trial_folder(job) / RUN_ID for job in jobs}
        ids = {name: file.read_text(encoding="utf-8") for name, file in runs.items() if file.exists()}
        failed = {run for name, run in ids.items() if name not in self._cleared}
        if failed:
            for left in Cache(Path(self.study.recipe.tracking.directory)).all_unfinished("train", "."):
                if left.run_id in failed:
                    shutil.rmtree(left.folder, ignore_errors=True)
            self._cleared |= set(ids)


def _clear(folder: Path, records: Path) -> None:
    """Keeps the records of a training, and takes all of it out of the cache, which would take a part for the whole."""
    gone = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(gone, ignore_errors=True)
    if not (folder / "entry.json").exists():
        return
    kept = records / folder.name
    kept.mkdir(parents=True, exist_ok=True)
    for name in RECORDS:
        if (folder / name).exists():
            shutil.copy2(folder / name, kept / name)
    folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)
