"""`plumbline repair RUN`: from a sick run to nested trials, a verdict with intervals, and a repaired recipe."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from models.seeds import seed_for
from pipeline.diagnosed import diagnosed
from pipeline.diagnosis.candidates import BODIES, DEEP_BODIES
from pipeline.diagnosis.repair import Overrides, Repair, Trial, repair
from pipeline.errors import UserError
from pipeline.execution import plan, run
from pipeline.imports import heavy_imports
from pipeline.nested import SEEDS, recorded_run
from pipeline.recipe.load import load_recipe
from pipeline.recipe.phases import phase_sections
from pipeline.recipe.schedule import Constant
from pipeline.recipe.tree import Recipe
from pipeline.repair.account import CONTROL_DID, Account
from pipeline.repair.changes import to_yaml
from pipeline.repair.record import OF, PROMOTED, record
from pipeline.repair.trials import Trained, Trials, trained
from pipeline.tracking import RunFolder

if TYPE_CHECKING:
    from pipeline.repair.validation import Gain

Say = Callable[[str], None]

SMALL = ("mlp", "tabular", "layers", "custom")
"""Families of networks that are not known with an activation of their own."""


@dataclass(frozen=True)
class Repaired:
    """What came of a repair, and the recipe that it ended with."""

    outcome: Repair
    gains: "tuple[Gain, ...]" = ()
    """Of the best training over the sick one, if that left a network, and over the control."""
    recipe: Recipe | None = None
    """None: nothing is to be changed, or nothing helped."""
    text: str = ""
    """The same as YAML, with comments that say what was changed and why."""
    run_id: str = ""
    """Of the repair, in which its trials are nested; empty where there was nothing to repair."""


def repair_run(uri: str | None, name: str, *, directory: Path, say: Say = lambda _: None) -> Repaired:
    """Repairs the training of a recorded run; stopped and called again, it goes on where it was.

    Args:
        uri: MLflow tracking URI; by default that of the working directory.
        name: The run's id, the beginning of it, or its name.
        directory: The recipe's `tracking.directory`, where the run is recorded.
        say: Told how each training ended.

    Raises:
        UserError: If there is no such run here, or its training was not diagnosed.
    """
    found = diagnosed(uri, name, say=say)
    if SEEDS in found.run.tags:
        raise UserError(
            f"repair: expected a run of one training. {found.run.name} is of seeds {found.run.tags[SEEDS]}: "
            "`plumbline diagnose` names the best"
        )
    file = RunFolder(directory / "runs" / found.run.id).artifact("recipe.yaml")
    if not file.exists():
        raise UserError(f"repair: expected a run that was recorded in {directory}. There is no {file}")
    recipe = load_recipe(file)
    sick = Trial(found.findings, found.skill, found.num_epochs, healthy_epochs=found.healthy_epochs)
    if sick.healthy:
        return Repaired(repair(sick, lambda _, __: sick))
    cached = plan(recipe, until="train")[-1].action == "reuse"
    result = run(recipe, until="train") if cached else None
    if result is None:
        say("the sick network is not in the cache (or never was whole): gains are told over the control alone")
    return repair_recipe(replace(sick, result=trained(recipe, found.run.id, result)), say=say)


def repair_recipe(sick: Trial, *, say: Say = lambda _: None) -> Repaired:
    """Tries changes of a sick training's recipe beside an untouched control, up to and including the train stage.

    The trials have the recipe's own seed, so that the best of them is the training of the recipe that is written; the
    control has another, which tells what new random numbers alone do.

    Args:
        sick: Its `result` is a `Trained`.
        say: Told how each training ended.
    """
    from pipeline.tracking import Tracking

    kept: Trained = sick.result
    if not can_go_back(kept.recipe):
        sick = replace(sick, healthy_epochs=0)
    recipe, account = kept.recipe, Account(kept.recipe, say)
    tracking = Tracking.open(recipe.tracking, experiment=recipe.name, base=Path.cwd(), say=say)
    with recorded_run(tracking, f"{recipe.name} repair", recipe, parent=kept.run_id) as parent:
        parent.record("tags", values={OF: kept.run_id})
        trials = Trials(recipe, tracking, parent)
        account.sick(sick)

        def train(overrides: Overrides, number: int) -> Trial:
            trial = trials.trial(overrides, number) if number else trials.control(seed_for(recipe.seed, "repair"))
            account.trained(trial, number)
            return trial

        bodies = BODIES if recipe.model.type in SMALL else DEEP_BODIES
        outcome = repair(sick, train, better=_better, bodies=bodies)
        found = _concluded(Repaired(outcome, _gains(outcome, sick), run_id=parent.id), sick)
        account.concluded(found.outcome, found.gains)
        record(parent, sick, found.outcome, found.gains, found.text, account.lines)
    return found


def can_go_back(recipe: Recipe) -> bool:
    """Whether a schedule that falls from an epoch on is, up to there, that of the recipe, in its only phase."""
    schedule, phases = recipe.train.schedule, phase_sections(recipe.train)
    return isinstance(schedule, Constant) and not (schedule.warmup_epochs or schedule.warmup_steps or phases[1:])


def _better(one: Trial, other: Trial, num_tried: int) -> bool:
    """Whether one network is better than another on the validation examples; a healthy one is better than none."""
    with heavy_imports():
        from pipeline.repair.validation import gain

    new, old = one.result.answers, other.result.answers
    if new is None or old is None:
        return new is not None and one.healthy
    return gain(new, old, over="", num_tried=num_tried).proven


def _gains(outcome: Repair, sick: Trial) -> "tuple[Gain, ...]":
    with heavy_imports():
        from pipeline.repair.validation import gain

    others = {"the sick training": sick, "the untouched control": outcome.control}
    new = outcome.best.result.answers
    return tuple(
        gain(new, other.result.answers, over=name, num_tried=outcome.num_tried)
        for name, other in others.items()
        if new and other and other is not outcome.best and other.result.answers
    )


def _concluded(found: Repaired, sick: Trial) -> Repaired:
    """Adds the repaired recipe, if there is one: that of the best training."""
    outcome = found.outcome
    if outcome.verdict not in PROMOTED:
        return found
    repaired: Recipe = outcome.best.result.recipe
    on_sick = repaired.train.on_sick
    reason = next(finding.message for finding in sick.findings if finding.rank)
    comments = [
        f"{outcome.verdict}: {' '.join(f'{key}={value}' for key, value in outcome.best.overrides.items())}",
        f"Why: {reason}",
        *(f"Gain: {gain}" for gain in found.gains),
        *([CONTROL_DID] if outcome.control and outcome.control.healthy else []),
        *([f"train.on_sick={on_sick}, as in the training that this is: run it, and it is taken from the cache"]
          if on_sick != sick.result.recipe.train.on_sick else []),
    ]  # fmt: skip
    return replace(found, recipe=repaired, text=to_yaml(repaired, comments))
