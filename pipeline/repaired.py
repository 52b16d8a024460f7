"""Repairs the training of a recorded run: remedies as overrides of its recipe, each tried in a run of its own."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.seeds import seed_for
from pipeline.diagnosed import diagnosed
from pipeline.diagnosis.record import Tree, finding_from_tree
from pipeline.diagnosis.repair import Repair, Trial, repair
from pipeline.errors import UserError
from pipeline.execution import run
from pipeline.recipe.errors import RecipeError
from pipeline.recipe.load import dump_recipe, load_recipe
from pipeline.tracking import RunFolder

Say = Callable[[str], None]


@dataclass(frozen=True)
class Repaired:
    """What came of a repair, and the recipe that it ended with."""

    outcome: Repair
    recipe: str
    """YAML, with a comment that says what was changed and why; empty where nothing is to be changed."""


def repair_run(uri: str | None, name: str, *, directory: Path, say: Say = lambda _: None) -> Repaired:
    """Tries the remedies of a sick run beside an untouched control, up to and including the train stage.

    Args:
        uri: MLflow tracking URI; by default that of the working directory.
        name: The run's id, the beginning of it, or its name.
        directory: The recipe's `tracking.directory`, where the run is recorded.
        say: Told how each trial ended.

    Raises:
        UserError: If there is no such run here, or its training was not diagnosed.
    """
    found = diagnosed(uri, name, say=say)
    file = RunFolder(directory / "runs" / found.run.id).artifact("recipe.yaml")
    if not file.exists():
        raise UserError(f"repair: expected a run that was recorded in {directory}. There is no {file}")
    recipe = load_recipe(file)
    sick = Trial(found.findings, found.skill, recipe.train.epochs)

    def train(overrides: Mapping[str, Any], number: int) -> Trial:
        trial = _trial(file, overrides, seed_for(recipe.seed, "repair", number))
        changed = " ".join(_written(overrides)) or "nothing (control)"
        say(f"{'healthy' if trial.healthy else 'sick':8}after {trial.num_epochs} epochs, changed: {changed}")
        return trial

    outcome = repair(sick, train)
    if outcome.verdict not in ("repaired", "improved"):
        return Repaired(outcome, "")
    better = dump_recipe(load_recipe(file, _written(outcome.best.overrides)))
    reason = next(finding.message for finding in found.findings if finding.rank)
    note = f"# {outcome.verdict}: {' '.join(_written(outcome.best.overrides))}\n# Why: {reason}\n"
    return Repaired(outcome, note + better)


def _trial(file: Path, overrides: Mapping[str, Any], seed: int) -> Trial:
    """Trains with overrides; one that the recipe refuses is as sick as before, and took nothing."""
    given = [*_written(overrides), f"seed={seed}", "train.on_sick=stop"]
    try:
        result = run(load_recipe(file, given), until="train")
    except RecipeError:
        return Trial((), float("-inf"), 0, overrides, refused=True)
    tree: Tree = json.loads((result.folder("train") / "artifacts/diagnosis.json").read_text(encoding="utf-8"))
    findings = tuple(finding_from_tree(each) for each in tree["findings"])
    return Trial(findings, _number(tree["skill"]), tree["num_epochs"], overrides)


def _written(overrides: Mapping[str, Any]) -> list[str]:
    return [f"{key}={str(value).lower() if isinstance(value, bool) else value}" for key, value in overrides.items()]


def _number(value: float | None) -> float:
    return 0.0 if value is None else value
