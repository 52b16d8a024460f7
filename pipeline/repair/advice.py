"""Remedies as a recipe takes them: overrides for the command line that change it, or else what to do in words."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.remedies import Remedy
from pipeline.manifest import Manifest
from pipeline.recipe.checks import Known, check
from pipeline.recipe.errors import RecipeError
from pipeline.recipe.load import load_recipe
from pipeline.recipe.tree import Recipe
from pipeline.repair.changes import SUPERSEDED, changed, written

USUAL = Remedy({}, "the recipe has what usually helps: look at the data and their labels")
"""What is said where a recipe has every remedy."""


@dataclass(frozen=True)
class Advice:
    """What a recipe takes of the remedies of findings.

    Args:
        recipe: That is trained.
        known: What is known of its data.
    """

    recipe: Recipe
    known: Known

    @classmethod
    def of(cls, recipe: Recipe, collected: Path) -> "Advice":
        """For a recipe with the folder that its collect stage wrote."""
        manifest = Manifest.load(collected / "development" / "manifest.json")
        return cls(recipe, Known(manifest.kind, manifest.task, manifest.has_categories))

    def __call__(self, findings: Iterable[Finding]) -> list[Finding]:
        """Gives findings their `advice`."""
        return [replace(each, advice=self._taken(each.remedies)) for each in findings]

    def _taken(self, remedies: tuple[Remedy, ...]) -> tuple[Remedy, ...]:
        """Each that fits, as it is written; where there is none, the first that it lacks in words."""
        if fitting := tuple(fit for remedy in remedies if (fit := self._fitted(remedy))):
            return fitting
        lacking = next((remedy for remedy in remedies if not self._has(remedy)), None)
        if lacking is None:
            return tuple(USUAL for _ in remedies[:1])
        where = "change the code: " if self.recipe.model.type == "custom" else ""
        return (Remedy({}, f"{where}{lacking.why}"),)

    def _has(self, remedy: Remedy) -> bool:
        """Whether the recipe says already what a remedy would change."""
        flat = self.recipe.flat()
        return all(flat.get(key) == value for key, value in written(remedy.overrides, flat).items())

    def _fitted(self, remedy: Remedy) -> Remedy | None:
        """The overrides that make of the recipe what a repair would; None: it refuses some, or has them all."""
        if not remedy.overrides:
            return remedy
        wanted, applied = changed(self.recipe, remedy.overrides)
        tree = self.recipe.model_dump(by_alias=True, exclude_none=True, mode="json")
        reset = {SUPERSEDED[key]: None for key in remedy.overrides if key in SUPERSEDED}
        for first in ({}, reset) if applied else ():
            fitted = Remedy(first | written(remedy.overrides, self.recipe.flat()), remedy.why)
            try:
                now = load_recipe(tree, str(fitted).split())
            except RecipeError:
                continue
            if now == wanted and not check(now, self.known):
                return fitted
        return None
