"""`plumbline replay`: trains a run again; says whether it is identical, or where it first differs and what changed."""

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.cache import Cache, Entry
from pipeline.errors import UserError
from pipeline.imports import heavy_imports
from pipeline.journal import Journal, Listener
from pipeline.recipe.load import load_recipe
from pipeline.recipe.tree import Recipe, flatten
from pipeline.runs import find_run
from pipeline.stages import STAGES, training_setup
from pipeline.tracking.folder import run_folders
from pipeline.tracking.reading import read_folder

TRAIN = next(stage for stage in STAGES if stage.name == "train")
COMPUTE = "compute.json"
"""What the run measured and chose at its start: it is not measured again."""


class _Ended(Exception):  # noqa: N818  (no error: a replay that has seen enough)
    """The replay has seen enough."""


@dataclass(frozen=True)
class Replay:
    """What a replay found."""

    num_compared: int
    """Chosen steps whose batch and tensors were compared."""
    is_whole: bool
    """Whether the training was repeated to its end, and what it kept was compared too."""
    difference: str | None
    """Where it first differs; None: nowhere."""
    changed: list[str]
    """What is not as it was in the run: code, data, recipe, libraries, hardware."""

    @property
    def text(self) -> str:
        """The verdict in a line or more."""
        what = f"{self.num_compared} chosen steps" + (", history and weights that were kept" if self.is_whole else "")
        verdict = f"differs: {self.difference}" if self.difference else f"identical: {what}"
        causes = self.changed or (["nothing that is recorded"] if self.difference else [])
        return "\n".join([verdict, *(f"changed since: {change}" for change in causes)])


def replay(directory: Path, run: str, *, steps: int | None = None, listener: Listener = lambda _: None) -> Replay:
    """Trains again what a run trained and compares it step by step.

    Args:
        directory: The recipe's `tracking.directory`.
        run: Id of the run, or a unique beginning of it, or its name.
        steps: How many steps to repeat; None: all.
        listener: Is told what the training says.

    Raises:
        UserError: If there is no such run, or what it trained or was trained from is no longer there.
    """
    recipe, entry, cache = _find(directory, run)
    prepared = _prepared(cache, entry)
    recorded = json.loads((entry.folder / "trail.json").read_text(encoding="utf-8"))
    with heavy_imports():
        from pipeline.training.arithmetic import adopt, arithmetic, differences
        from pipeline.training.train import train
    adopt(recorded["arithmetic"])
    inputs = {"preprocess": entry.ingredients.inputs["preprocess"]}
    changed = TRAIN.ingredients(recipe, inputs).changes_since(entry.ingredients)
    changed += _changes_of_data(recipe, prepared, cache)
    changed += [f"hardware: {change}" for change in differences(recorded["arithmetic"], arithmetic())]

    comparison = _Comparison(recorded["trail"], steps)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        if (entry.folder / COMPUTE).exists():
            shutil.copy(entry.folder / COMPUTE, out)
        try:
            result = train(
                training_setup(recipe, prepared.folder),
                out=out,
                journal=Journal(out / "journal.jsonl", (listener,)),
                check=comparison.check,
            )
        except _Ended:
            return Replay(comparison.num_compared, False, comparison.difference, changed)
        difference = comparison.difference or _final_difference(entry, out, result.fingerprint)
    return Replay(comparison.num_compared, True, difference, changed)


class _Comparison:
    """Compares the footprints of a training with those of the run, one after another.

    Args:
        recorded: Footprints of the run, as `trail.json` has them.
        steps: How many steps, over all epochs, are to be compared; None: all.
    """

    def __init__(self, recorded: list[list[Any]], steps: int | None):
        self._recorded, self._steps = recorded, steps
        self.num_compared = 0
        self.difference: str | None = None

    def check(self, found: Any) -> None:
        """Takes the next footprint; ends the training at the first difference, or when enough was seen."""
        if self.num_compared == len(self._recorded):
            self.difference = f"the run had ended where this has epoch {found.epoch}, step {found.step}"
            raise _Ended
        phase, epoch, step, batch, tensors = self._recorded[self.num_compared]
        where = f"epoch {epoch}, step {step}"
        if (phase, epoch, step) != found[:3]:
            self.difference = f"the run has {where} where this has epoch {found.epoch}, step {found.step}"
        elif found.batch != batch:
            self.difference = f"first at {where}: the batch itself"
        elif other := [name for name in tensors if found.tensors.get(name) != tensors[name]]:
            self.difference = f"first at {where}: {other[0]}, one of {len(other)} tensors of {len(tensors)}"
            if self.num_compared:
                _, epoch, step, *_ = self._recorded[self.num_compared - 1]
                self.difference += f"; epoch {epoch}, step {step} was the same"
        else:
            self.num_compared += 1
            enough = self._steps is not None and self.num_compared >= self._num_within()
            if not enough:
                return
        raise _Ended

    def _num_within(self) -> int:
        """How many of the footprints lie within the steps asked for: their numbers are 1, 2, 5, 10, 20 and so on."""
        from pipeline.training.trail import is_chosen

        assert self._steps is not None
        return min(len(self._recorded), sum(is_chosen(step) for step in range(1, self._steps + 1)))


def _final_difference(entry: Entry, out: Path, fingerprint: str) -> str | None:
    before, now = (json.loads((folder / "history.json").read_text(encoding="utf-8")) for folder in (entry.folder, out))
    for earlier, later in zip(before["epochs"], now["epochs"], strict=False):
        if other := [name for name in earlier if later.get(name) != earlier[name]]:
            return f"first in the values of epoch {earlier['epoch']}: {', '.join(other)}"
    if len(before["epochs"]) != len(now["epochs"]):
        return f"the run had {len(before['epochs'])} epochs, this has {len(now['epochs'])}"
    return None if fingerprint == entry.result.fingerprint else "only in the weights that were kept"


def _find(directory: Path, run: str) -> tuple[Recipe, Entry, Cache]:
    """The recipe of a run, and what it trained."""
    folders = {folder.path.name: folder for folder in run_folders(directory / "runs")}
    records = sorted(map(read_folder, folders.values()), key=lambda record: record.started, reverse=True)
    folder = folders[find_run(records, run).id]
    recipe, cache = load_recipe(folder.artifact("recipe.yaml")), Cache(directory)
    reads = flatten(TRAIN.reads(recipe))
    trained = cache.entries("train")
    fitting = [entry for entry in trained if entry.ingredients.recipe == reads]
    fitting = fitting or [entry for entry in trained if entry.run_id == folder.path.name]  # its recipe was changed
    found = sorted(fitting, key=lambda entry: entry.run_id == folder.path.name)
    if not found or not (found[-1].folder / "trail.json").exists():
        raise UserError(f"replay: expected what run {folder.path.name[:8]} trained. It is no longer in {cache.root}")
    return recipe, found[-1], cache


def _changes_of_data(recipe: Recipe, prepared: Entry, cache: Cache) -> list[str]:
    """Whether the source of the data is as it was; trained on again is what the run kept of it."""
    from pipeline.collect import source_fingerprint

    collected = prepared.ingredients.inputs["collect"]
    known = {
        entry.ingredients.inputs["source"]
        for entry in cache.entries("collect")
        if entry.result.fingerprint == collected
    }
    try:
        is_known = source_fingerprint(recipe.data, stat_cache=cache.source_hashes) in known
    except UserError as error:
        return [f"data: {error}"]
    return [] if is_known or not known else ["data: its source (trained on again is what the run kept of it)"]


def _prepared(cache: Cache, entry: Entry) -> Entry:
    """The data that a training saw."""
    fingerprint = entry.ingredients.inputs["preprocess"]
    for prepared in cache.entries("preprocess"):
        if prepared.result.fingerprint == fingerprint:
            return prepared
    raise UserError(
        f"replay: expected the data that run {entry.run_id[:8]} was trained on. It is no longer in {cache.root}: run "
        "the recipe again; if preprocess then gives something else, the data has changed"
    )
