"""The pre-flight of a recipe, once collected and preprocessed: all checks, with remedies that the recipe takes."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.diagnosis.before import Leaks, Report, judge
from pipeline.execution import run
from pipeline.imports import heavy_imports
from pipeline.journal import Listener
from pipeline.recipe.load import load_recipe
from pipeline.recipe.train import step_by_step
from pipeline.recipe.tree import Recipe
from pipeline.repair.advice import Advice
from pipeline.stages import training_setup

if TYPE_CHECKING:
    from pipeline.training.assemble import Assembled

MAY_LEAK = ("near_duplicates", "conflicting_labels", "identifier_columns")
"""Checks of the data report that may mean a leak; `leakage` and `leaky_columns` always do."""


def check_recipe(recipe: str | Path, overrides: Sequence[str] = (), *, listener: Listener = lambda _: None) -> Report:
    """Looks at the training of a recipe before its first step: data, network, plan; and whether it can learn a batch.

    Args:
        recipe: The name of a built-in recipe, or the path of a YAML file.
        overrides: `dotted.key=value`, as on the command line.
        listener: As in `pipeline.execution.run`.

    Returns:
        What was found, with advice: overrides that the recipe takes, and that change it.

    Raises:
        UserError: For a mistake in the recipe or the data.
    """
    loaded = load_recipe(recipe, overrides)
    result = run(loaded, until="preprocess", listener=listener)
    prepared, collected = result.folder("preprocess"), result.folder("collect")
    with heavy_imports():
        from pipeline.batches import read_prepared
        from pipeline.diagnosis.before.look import look

    assembled = _assemble(loaded, prepared)
    arrays, labels = read_prepared(prepared / "train", loaded.data.memory)
    seen = look(
        assembled.learner,
        arrays,
        labels,
        epochs=assembled.section.epochs,
        batch_size=assembled.training.batch_size,
        balanced=assembled.class_weights is not None or assembled.training.is_balanced,
        leaks=_leaks(collected),
        saved=assembled.network,
    )
    return judge(seen).advised(Advice.of(loaded, collected))


def _assemble(recipe: Recipe, prepared: Path) -> "Assembled":
    """What train would fit, on one device and step by step."""
    from pipeline.compute.fitting import in_parts
    from pipeline.training.assemble import assemble

    setup = training_setup(recipe, prepared)
    if isinstance(recipe.train.batch_size, int):
        setup = in_parts(setup, recipe.train.batch_size)
    alone = setup.section.model_validate({**setup.section.model_dump(by_alias=True), "strategy": "none"})
    return assemble(replace(setup, section=step_by_step(alone)))


def _leaks(collected: Path) -> Leaks:
    """What the data report says of the answer among the examples, and across splits."""
    report = json.loads((collected / "artifacts/data_report.json").read_text(encoding="utf-8"))
    found = {finding["check"]: finding for finding in report["findings"]}
    return Leaks(
        shared=found["leakage"]["count"] if "leakage" in found else 0,
        told=tuple(found[name]["text"] for name in ("leaky_columns",) if name in found),
        notes=tuple(found[name]["text"] for name in MAY_LEAK if name in found),
    )
