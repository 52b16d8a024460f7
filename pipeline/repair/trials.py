"""A training of a repair: an ordinary recipe up to its train stage, as a run of its own below that of the repair."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.diagnosed import DIAGNOSIS, UNDIAGNOSED
from pipeline.diagnosis.record import Tree, finding_from_tree
from pipeline.diagnosis.remedies import Remedy
from pipeline.diagnosis.repair import Overrides, Trial
from pipeline.errors import UserError
from pipeline.execution import RunResult, run
from pipeline.imports import heavy_imports
from pipeline.metrics import Predicted
from pipeline.nested import recorded_run
from pipeline.recipe.tree import Recipe
from pipeline.repair.changes import changed

if TYPE_CHECKING:
    from pipeline.tracking import Run, Tracking


class UndiagnosedError(UserError):
    """A training that ended without a diagnosis, as a short one does."""


@dataclass(frozen=True)
class Trained:
    """What is kept of a training."""

    recipe: Recipe
    run_id: str
    folder: Path | None = None
    """That the train stage wrote; None: the training ended without a network, because its loss was no number."""
    answers: Predicted | None = None
    """What the network says of the validation split."""
    error: UserError | None = None
    """What ended the training, where it left no network."""


@dataclass(frozen=True)
class Trials:
    """Trains for one repair.

    Args:
        recipe: The sick one.
        tracking: Where runs are recorded.
        parent: The run of the repair.
    """

    recipe: Recipe
    tracking: "Tracking"
    parent: "Run"
    _tried: list[Overrides] = field(default_factory=list)

    def untouched(self) -> Trial:
        """Trains the recipe as it is.

        Raises:
            UndiagnosedError: If the training was not diagnosed.
        """
        return self._train("before", {}, self.recipe)

    def control(self, seed: int) -> Trial:
        """Trains the recipe as it is, with other random numbers, to its end."""
        recipe, _ = changed(self.recipe, {"seed": seed, "train.on_sick": "warn"})
        return self._train("control", {"seed": seed}, recipe)

    def trial(self, overrides: Overrides, number: int) -> Trial:
        """Trains the recipe with changes and its own seed: what is proven is the recipe that is written.

        What the recipe has no place for, what it has already, and what was tried is refused and takes nothing; so is
        what cannot be built, and what ends without a diagnosis.
        """
        recipe, applied = changed(self.recipe, {**overrides, **STOPPED})
        applied = {key: value for key, value in applied.items() if key not in STOPPED}
        if not applied or applied in self._tried:
            return _refused(overrides)
        self._tried.append(applied)
        try:
            return self._train(f"trial {number}", applied, recipe)
        except UserError:
            return _refused(overrides)

    def _train(self, name: str, overrides: Overrides, recipe: Recipe) -> Trial:
        with heavy_imports():
            from pipeline.training.callbacks import NonFiniteLossError

        result, broken = None, None
        try:
            with recorded_run(
                self.tracking, f"{recipe.name} {name}", recipe, parent=self.parent.id, shipping=None
            ) as tracked:
                tracked.record("tags", values={"repair.trial": name, "repair.changed": in_words(overrides)})
                result = run(recipe, until="train", tracked=tracked)
        except NonFiniteLossError as error:
            broken = error
        return trial_of(tracked.folder.artifact(DIAGNOSIS), trained(recipe, tracked.id, result, broken), overrides)


def _refused(overrides: Overrides) -> Trial:
    return Trial((), float("-inf"), 0, overrides, refused=True)


STOPPED = {"train.on_sick": "stop"}
"""Trials end at the first critical finding."""


def trained(recipe: Recipe, run_id: str, result: RunResult | None, error: UserError | None = None) -> Trained:
    """What is kept of a run up to its train stage; `result` is None where there is no network of it."""
    if result is None:
        return Trained(recipe, run_id, error=error)
    with heavy_imports():
        from pipeline.repair.validation import answers

    folder = result.folder("train")
    return Trained(recipe, run_id, folder, answers(folder, result.folder("preprocess")))


def trial_of(diagnosis: Path, kept: Trained, overrides: Overrides) -> Trial:
    """Reads how a training ended off its diagnosis.

    Raises:
        UndiagnosedError: If there is none.
    """
    if not diagnosis.exists():
        raise UndiagnosedError(f"the training of run {kept.run_id} was not diagnosed: {UNDIAGNOSED}")
    tree: Tree = json.loads(diagnosis.read_text(encoding="utf-8"))
    findings = tuple(finding_from_tree(each) for each in tree["findings"])
    return Trial(
        findings, tree["skill"] or 0.0, tree["num_epochs"], overrides, kept, healthy_epochs=tree["healthy_epochs"]
    )


def in_words(overrides: Overrides) -> str:
    """Changes in one line."""
    return str(Remedy(dict(overrides), "")) if overrides else "nothing"
