"""The stages in order, what each depends on, and how each is called: the only place that joins them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.config import CustomConfig, TransferConfig
from models.entry import source_files
from pipeline.cache import Entry, Ingredients, code_hashes, library_versions, source_hash
from pipeline.errors import UserError
from pipeline.journal import Journal, StageResult
from pipeline.manifest import SEALED
from pipeline.recipe.tree import Recipe, flatten
from pipeline.training.setup import TrainingSetup
from pipeline.transfer.source import Source, find_source

if TYPE_CHECKING:
    from pipeline.tracking import Run


@dataclass(frozen=True)
class Work:
    """What a stage is handed when it runs."""

    recipe: Recipe
    folders: Mapping[str, Path]
    """Earlier stage to the folder that it wrote."""
    out: Path
    """Folder to write into."""
    journal: Journal
    run: "Run"
    """The tracked run; its store has the registry."""
    key: str | None = None
    """Of the result, by which what a killed process did outside its folder is found; None: it is done anew."""


@dataclass(frozen=True)
class Stage:
    """One step of the road."""

    name: str
    module: str
    """Package or module whose code, with all it imports, is an ingredient of the result."""
    call: Callable[[Work], StageResult]
    """Hands the stage its section of the recipe and the folders it reads."""
    reads: Callable[[Recipe], dict[str, Any]]
    """The part of the recipe that the result depends on."""
    own_code: Callable[[Recipe], dict[str, str]] = lambda _: {}
    """Modules of the recipe's author that it runs, to the hash of their code."""
    carries: tuple[str, ...] = ()
    """Modules or packages that it does not import: handed to it, or packed into its result; their code counts too."""
    needs: tuple[str, ...] = ()
    """Earlier stages whose content the result depends on."""
    libraries: tuple[str, ...] = ()
    """Distributions whose version the result depends on."""
    outside: Callable[[Recipe], dict[str, str]] = lambda _: {}
    """Content from outside the road that the result depends on: what it is, to its fingerprint."""
    keeps: str | None = None
    """Folder in its folder from which it goes on where it was stopped; None: it begins anew."""
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
            flatten(self.reads(recipe)),
            inputs | self.outside(recipe),
            code_hashes(self.module, *self.carries) | self.own_code(recipe),
            library_versions(self.libraries),
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


def _collect(work: Work) -> StageResult:
    from pipeline.collect import collect

    return collect(work.recipe.data, out=work.out, journal=work.journal)


def _preprocess(work: Work) -> StageResult:
    from pipeline.preprocess import preprocess

    return preprocess(
        work.recipe.preprocess, examples=work.folders["collect"] / "development", out=work.out, journal=work.journal
    )


def _train(work: Work) -> StageResult:
    from pipeline.repair.advice import Advice
    from pipeline.training.train import train

    setup = training_setup(work.recipe, work.folders["preprocess"])
    advise = Advice.of(work.recipe, work.folders["collect"])
    return train(setup, out=work.out, journal=work.journal, advise=advise)


def training_setup(recipe: Recipe, prepared: Path) -> TrainingSetup:
    """What a recipe trains.

    Args:
        recipe: The recipe.
        prepared: Folder that preprocess wrote.
    """
    return TrainingSetup(
        section=recipe.train,
        model=recipe.model,
        augment=recipe.augment,
        batch_size=recipe.data.batch_size,
        memory=recipe.data.memory,
        sampling=recipe.data.sampling,
        seed=recipe.seed,
        prepared=prepared,
        pretrained=pretrained_file(recipe),
    )


def pretrained_file(recipe: Recipe) -> Path | None:
    """The file that the recipe's network starts from; None: there is none, or Keras has the weights by their name."""
    source = _pretrained(recipe)
    return source.path if source else None


def _pretrained(recipe: Recipe) -> Source | None:
    """What the recipe's network starts from; None: nothing."""
    return find_source(recipe.model, recipe.tracking) if isinstance(recipe.model, TransferConfig) else None


def _custom_code(recipe: Recipe) -> dict[str, str]:
    model = recipe.model
    if not isinstance(model, CustomConfig):
        return {}
    files = source_files(model.entry, model.folder)
    return {module: source_hash(file.read_text(encoding="utf-8")) for module, file in files.items()}


def _evaluate(work: Work) -> StageResult:
    from pipeline.evaluate import evaluate
    from pipeline.looks import Looks

    return evaluate(
        work.recipe.evaluate,
        sealed=work.folders["collect"] / SEALED,
        prepared=work.folders["preprocess"],
        trained=work.folders["train"],
        out=work.out,
        journal=work.journal,
        looks=Looks(Path(work.recipe.tracking.directory) / "looks", work.run.id, work.recipe.name),
    )


def _register(work: Work) -> StageResult:
    from pipeline.register import register
    from pipeline.registry import Registry

    return register(
        work.recipe.register_,
        name=work.recipe.name,
        prepared=work.folders["preprocess"],
        trained=work.folders["train"],
        evaluated=work.folders["evaluate"],
        out=work.out,
        journal=work.journal,
        registry=Registry(*work.run.in_store(), work.key),
    )


def _unregistered(recipe: Recipe, entry: Entry) -> str | None:
    """A version can be deleted, or its store, while the cache still knows that it was registered."""
    from pipeline.registry import has_version
    from pipeline.tracking import open_store

    registered = json.loads((entry.folder / "registration.json").read_text(encoding="utf-8"))
    name, version = registered["name"], registered["version"]
    try:
        store = open_store(recipe.tracking.uri, Path.cwd(), create=False)
    except UserError:
        return f"the registry that had {name} version {version} does not answer"
    return None if has_version(store, name, version) else f"{name} version {version} is no longer in the registry"


NO_PART_OF_A_TRAINING = {"model": {"source", "weights", "folder"}, "train": {"checkpoint"}}
"""Keys that say where something is, or when it is saved: what is learned does not depend on them."""

STAGES = (
    Stage(
        "collect",
        module="pipeline.collect",
        call=_collect,
        reads=lambda r: _part(r, "data", without={"data": {"batch_size", "sampling", "memory", "path", "data_dir"}}),
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
        module="pipeline.training.train",
        carries=("pipeline.repair.advice",),
        own_code=_custom_code,
        call=_train,
        reads=lambda r: {
            "seed": r.seed,
            "data": {"batch_size": r.data.batch_size, "sampling": r.data.sampling},
            **_part(r, "augment", "model", "train", without=NO_PART_OF_A_TRAINING),
        },
        keeps="checkpoints",
        outside=lambda r: {"pretrained": source.fingerprint} if (source := _pretrained(r)) else {},
        needs=("preprocess",),
        libraries=("keras", "tensorflow", "numpy"),
    ),
    Stage(
        "evaluate",
        module="pipeline.evaluate",
        call=_evaluate,
        reads=lambda r: _part(r, "evaluate"),
        needs=("collect", "preprocess", "train"),
        libraries=("keras", "tensorflow", "numpy", "scipy", "scikit-learn", "matplotlib", "pandas"),
    ),
    Stage(
        "register",
        module="pipeline.register",
        carries=("pipeline.registry", "pipeline.serving"),
        call=_register,
        reads=lambda r: {**_part(r, "register"), "tracking": {"uri": r.tracking.uri}},
        needs=("preprocess", "train", "evaluate"),
        libraries=("mlflow", "keras", "tensorflow"),
        outdated=_unregistered,
    ),
)

NAMES = tuple(stage.name for stage in STAGES)
