"""What MLflow and the run's folder keep of a repair: the tree of its trials, the verdict, the recipe, the note."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline.diagnosis.record import finding_to_tree
from pipeline.diagnosis.repair import Repair, Trial
from pipeline.repair.trials import in_words

if TYPE_CHECKING:
    from pipeline.repair.validation import Gain
    from pipeline.tracking import Run

OF = "repair.of"
"""Tag of the run of a repair: the id of the sick run."""

BEFORE = "repair.before"
"""Tag of a run with `train.on_sick: repair`: the id of the training that was sick."""

PROMOTED = ("repaired", "improved")
"""Verdicts that end with a recipe."""

VERDICT, CHANGED = "repair.verdict", "repair.changed"
"""Tags: what came of it, and what was changed."""

FILE, RECIPE = "repair/repair.json", "repair/repaired.yaml"
"""Artifacts: the tree of trials, and the repaired recipe."""


def record(
    run: "Run", sick: Trial, outcome: Repair, gains: "Sequence[Gain]", recipe: str, lines: Sequence[str]
) -> None:
    """Records what came of a repair in its run."""
    run.record("tags", values={VERDICT: outcome.verdict, CHANGED: in_words(outcome.best.overrides)})
    values = {"repair/skill_before": sick.skill, "repair/skill_after": outcome.best.skill}
    for gain in gains:
        name = "sick" if "sick" in gain.over else "control"
        first = gain.effects[0]
        values |= {f"repair/{first.metric}_gain_over_{name}": first.value}
        values |= {f"repair/{first.metric}_gain_over_{name}_low": first.low}
        values |= {f"repair/{first.metric}_gain_over_{name}_high": first.high}
    run.record("metrics", values=values | {"repair/trainings": len(outcome.trials) + 1}, step=None)
    run.log_text(json.dumps(tree(sick, outcome, gains), indent=1) + "\n", FILE)
    if recipe:
        run.log_text(recipe, RECIPE)
    run.facts.note = "\n".join(["```", *lines, "```"])


def tree(sick: Trial, outcome: Repair, gains: "Sequence[Gain]") -> dict[str, Any]:
    """The repair as JSON has it: who was trained, in which run, how it ended."""
    return {
        "verdict": outcome.verdict,
        "gains": [str(gain) for gain in gains],
        "before": _trial(sick),
        "control": _trial(outcome.control) if outcome.control else None,
        "trials": [_trial(trial) for trial in outcome.trials],
        "after": _trial(outcome.best),
    }


def _trial(trial: Trial) -> dict[str, Any]:
    return {
        "run_id": trial.result.run_id,
        "healthy": trial.healthy,
        "skill": trial.skill,
        "epochs": trial.num_epochs,
        "overrides": dict(trial.overrides),
        "findings": [finding_to_tree(finding) for finding in trial.findings if finding.rank],
    }
