"""The stages in order, what each depends on, and how each is called: the only place that joins them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.cache import Entry, Ingredients, code_hashes, library_versions
from pipeline.journal import Journal, StageResult
from pipeline.recipe.tree import Recipe, flatten

Folders = Mapping[str, Path]
"""Earlier stage to the folder that it wrote."""

Call = Callable[[Recipe, Folders, Path, Journal], StageResult]


@dataclass(frozen=True)
class Stage:
    """One step of the road."""

    name: str
    module: str
    """Package or module whose code, with all it imports, is an ingredient of the result."""
    call: Call
    """Hands the stage its section and the folders it reads."""
    reads: Callable[[Recipe], dict[str, Any]]
    """The part of the recipe that the result depends on."""
    needs: tuple[str, ...] = ()
    """Earlier stages whose content the result depends on."""
    libraries: tuple[str, ...] = ()
    """Distributions whose version the result depends on."""
    outdated: Callable[[Recipe, Entry], str | None] = lambda *_: None
    """Says why an entry no longer stands although nothing it depends on has changed; None if it stands."""

    def ingredients(self, recipe: Recipe, fingerprints: Mapping[str, str]) -> Ingredients:
        """Gathers all that the result depends on.

        Args:
            recipe: The resolved recipe.
            fingerprints: Earlier stage, or `source`, to the fingerprint of its content.
        """
        inputs = {name: fingerprints[name] for name in (self.needs or ("source",))}
        return Ingredients(
            flatten(self.reads(recipe)), inputs, code_hashes(self.module), library_versions(self.libraries)
        )


def _part(recipe: Recipe, *sections: str, without: Mapping[str, set[str]] | None = None) -> dict[str, Any]:
    """Sections of the recipe as plain values, some keys of them left out."""
    tree = recipe.model_dump(by_alias=True, exclude_none=True, mode="json")
    without = without or {}
    return {
        name: {key: value for key, value in tree[name].items() if key not in without[name]}
        if name in without
        else tree[name]
        for name in sections
    }


def _collect(recipe: Recipe, _: Folders, out: Path, journal: Journal) -> StageResult:
    from pipeline.collect import collect

    return collect(recipe.data, out=out, journal=journal)


def _preprocess(recipe: Recipe, folders: Folders, out: Path, journal: Journal) -> StageResult:
    from pipeline.preprocess import preprocess

    return preprocess(recipe.preprocess, examples=folders["collect"], out=out, journal=journal)


def _train(recipe: Recipe, folders: Folders, out: Path, journal: Journal) -> StageResult:
    from pipeline.train import train

    return train(
        recipe.train,
        model=recipe.model,
        augment=recipe.augment,
        batch_size=recipe.data.batch_size,
        memory=recipe.data.memory,
        seed=recipe.seed,
        prepared=folders["preprocess"],
        out=out,
        journal=journal,
    )


def _evaluate(recipe: Recipe, folders: Folders, out: Path, journal: Journal) -> StageResult:
    from pipeline.evaluate import evaluate

    return evaluate(
        recipe.evaluate,
        sealed=folders["collect"] / "sealed",
        prepared=folders["preprocess"],
        trained=folders["train"],
        out=out,
        journal=journal,
    )


def _register(recipe: Recipe, folders: Folders, out: Path, journal: Journal) -> StageResult:
    from pipeline.register import register

    return register(
        recipe.register_,
        prepared=folders["preprocess"],
        trained=folders["train"],
        evaluated=folders["evaluate"],
        out=out,
        journal=journal,
    )


STAGES = (
    Stage(
        "collect",
        module="pipeline.collect",
        call=_collect,
        reads=lambda r: _part(r, "data", without={"data": {"batch_size", "memory", "path", "data_dir"}}),
        libraries=("pyarrow", "pandas", "pillow", "imagehash", "scikit-learn", "tensorflow-datasets"),
    ),
    Stage(
        "preprocess",
        module="pipeline.preprocess",
        call=_preprocess,
        reads=lambda r: _part(r, "preprocess"),
        needs=("collect",),
        libraries=("keras", "tensorflow", "numpy", "pyarrow"),
    ),
    Stage(
        "train",
        module="pipeline.train",
        call=_train,
        reads=lambda r: {
            "seed": r.seed,
            "data": {"batch_size": r.data.batch_size},
            **_part(r, "augment", "model", "train"),
        },
        needs=("preprocess",),
        libraries=("keras", "tensorflow", "numpy"),
    ),
    Stage(
        "evaluate",
        module="pipeline.evaluate",
        call=_evaluate,
        reads=lambda r: _part(r, "evaluate"),
        needs=("collect", "preprocess", "train"),
        libraries=("keras", "tensorflow", "numpy", "scikit-learn", "matplotlib"),
    ),
    Stage(
        "register",
        module="pipeline.register",
        call=_register,
        reads=lambda r: {**_part(r, "register"), "tracking": {"uri": r.tracking.uri}},
        needs=("preprocess", "train", "evaluate"),
        libraries=("mlflow", "keras", "tensorflow"),
    ),
)

NAMES = tuple(stage.name for stage in STAGES)
