"""The end of a study: figures, table of trials, note and `best.yaml`, in its folder and in MLflow."""

import csv
from pathlib import Path

from pipeline.recipe.tune import searched_direction
from tuning.display import gain_in_words, score_caveat, score_in_words
from tuning.figures import draw_study
from tuning.importance import Importance, importance
from tuning.outcome import Outcome, conclude
from tuning.record import OBJECTIVE, StudyRun
from tuning.space import Space
from tuning.study import Study


def report(study: Study, space: Space, recorded: StudyRun, reason: str) -> Outcome | None:
    """Writes all that a reader of the study needs.

    Args:
        study: The study, its search ended.
        space: Its space.
        recorded: Its run.
        reason: Why the search stopped.

    Returns:
        What was found; None if no trial has a score.
    """
    assert study.recipe.tune is not None
    outcome = conclude(study, space)
    found = importance(study.trials(), space)
    files = draw_study(study, space, searched_direction(study.recipe.tune), found)
    files.append(write_trials(study, space))
    values = {}
    if outcome and outcome.best.result and outcome.best.result.score is not None:
        files.append(outcome.file)
        values[OBJECTIVE] = outcome.fresh.mean if outcome.fresh else outcome.best.result.score
        values["objective_in_search"] = outcome.best.result.score
        if outcome.gain:
            values |= {"gain": outcome.gain.mean, "gain_low": outcome.gain.low, "gain_high": outcome.gain.high}
    recorded.finish(files, note(study, outcome, found, reason), values)
    return outcome


def write_trials(study: Study, space: Space) -> Path:
    """Writes `trials.csv`: a row a trial, a column a key."""
    path = study.folder / "trials.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["trial", "status", "objective", "epochs", "seconds", "cause", *space.parameters])
        for trial in study.trials():
            result, point = trial.result, trial.job.point
            shown = (result.status, result.score, result.epochs) if result else ("interrupted", None, 0)
            cause = result.cause if result else ""
            values = [point.get(key, "") for key in space.parameters]
            rows.writerow([trial.number, *shown, round(trial.seconds, 3), cause, *values])
    return path


def note(study: Study, outcome: Outcome | None, found: Importance | None, reason: str) -> str:
    """Writes the note on the page of the study's run: a Markdown list."""
    section, trials = study.recipe.tune, study.trials()
    assert section is not None
    failed = [trial for trial in trials if trial.result and trial.result.score is None]
    lines = {"Done": f"study `{study.name}`, {section.algorithm}: {len(trials)} trials, {len(failed)} failed; {reason}"}
    if outcome and outcome.best.result:
        point = ", ".join(f"`{key}` {value}" for key, value in outcome.best.job.point.items())
        lines["Best"] = f"trial {outcome.best.number}, {section.objective} {score_in_words(outcome)}: {point}"
        lines["Gain"] = gain_in_words(outcome, section)
        caveat = score_caveat(study, outcome)
        lines["Run it"] = f"`plumbline run {outcome.file}`" + (f", {caveat}" if caveat else "")
    if found:
        shown = ", ".join(f"`{key}` {share:.0%}" for key, share in found.shares.items())
        lines["Importance"] = f"{shown} (the forest explains {max(found.explained, 0):.0%} of unseen trials)"
    lines["Look at"] = "select the nested runs and press Compare; `study/parallel_coordinates.png`, `study/slices.png`"
    return "\n".join(f"- **{title}**: {text}" for title, text in lines.items())
