"""Tries a training before it runs: what `plumbline plan` and `plumbline qualify` do with a recipe."""

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.environment import environment
from pipeline.errors import UserError
from pipeline.execution import run
from pipeline.imports import heavy_imports
from pipeline.journal import Journal, Listener
from pipeline.recipe.checks import check
from pipeline.recipe.errors import RecipeError
from pipeline.recipe.load import dump_recipe
from pipeline.recipe.train import step_by_step
from pipeline.recipe.tree import Recipe
from pipeline.stages import training_setup

if TYPE_CHECKING:
    from pipeline.compute.estimate import Estimate
    from pipeline.compute.qualify import Qualification
    from pipeline.training.assemble import Assembled
    from pipeline.training.setup import TrainingSetup


def estimate_recipe(recipe: Recipe, *, listener: Listener = lambda _: None) -> "Estimate":
    """Says what training a recipe will cost on this machine, once collected and preprocessed.

    Args:
        recipe: The recipe.
        listener: As in `pipeline.execution.run`.

    Raises:
        UserError: For a mistake in the recipe or the data.
    """
    result = run(recipe, until="preprocess", listener=listener)
    with heavy_imports():
        from pipeline.compute.estimate import estimate
        from pipeline.compute.settle import settle

    setup = _setup(recipe, result.folder("preprocess"))
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder, "journal.jsonl"), (listener,))
        setup = settle(setup, out=Path(folder), journal=journal).setup
    assembled = _assemble(setup)
    return estimate(assembled, [result.folder(name) for name in ("collect", "preprocess")])


def qualify_recipe(
    recipe: Recipe, out: Path, *, policy: str | None, num_steps: int, listener: Listener = lambda _: None
) -> "tuple[Qualification, str]":
    """Tries a mixed dtype policy beside float32 on a recipe, draws both loss curves and logs all to a run of its own.

    Args:
        recipe: The recipe.
        out: The PNG to write.
        policy: The mixed policy; None: that of the recipe, or mixed_float16.
        num_steps: Training steps under each.
        listener: As in `pipeline.execution.run`.

    Returns:
        What was found, and the id of the MLflow run.

    Raises:
        UserError: For a mistake in the recipe or the data.
    """
    from pipeline.tracking import Tracking

    given = recipe.train.precision
    mixed = policy or (given if given.startswith("mixed") else "mixed_float16")
    tree = recipe.model_dump(by_alias=True)
    problems = check(recipe.model_validate({**tree, "train": {**tree["train"], "precision": mixed}}))
    if problems:
        raise RecipeError(problems, {"": f"{recipe.name} with train.precision={mixed}"})
    setup = _setup(recipe, run(recipe, until="preprocess", listener=listener).folder("preprocess"))
    with heavy_imports():
        from pipeline.compute.qualify import qualify

    tracking = Tracking.open(recipe.tracking, experiment=recipe.name, base=Path.cwd())
    with tracking.run(
        f"{recipe.name} qualify",
        params=recipe.flat(),
        environment=environment(Path.cwd()),
        artifacts={"recipe.yaml": dump_recipe(recipe)},
    ) as tracked:
        found = qualify(lambda name: _assemble(setup, precision=name), mixed, num_steps)
        found.draw(out)
        tracked.log_file(out, "qualify")
        tracked.log_text(json.dumps(found.report(), indent=2), "qualify/qualify.json")
    return found, tracked.id


def _setup(recipe: Recipe, prepared: Path) -> "TrainingSetup":
    """What the train stage would be handed."""
    if recipe.train.strategy != "none":
        raise UserError(
            "train.strategy: expected none, as costs are of one device. "
            f"Received: {recipe.train.strategy}; add train.strategy=none"
        )
    return training_setup(recipe, prepared)


def _assemble(setup: "TrainingSetup", **changed: str) -> "Assembled":
    """Builds and compiles a training, step by step, with keys of its `train` section changed."""
    with heavy_imports():
        from pipeline.training.assemble import assemble

    section = setup.section.model_validate({**setup.section.model_dump(by_alias=True), **changed})
    return assemble(replace(setup, section=step_by_step(section)))
