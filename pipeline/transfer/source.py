"""Finds a pretrained network: a file, a registered model, a run of ours, or one of `keras.applications`."""

import hashlib
import json
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

from models.config import TransferConfig
from pipeline.errors import UserError
from pipeline.recipe.tracking import TrackingConfig


@dataclass(frozen=True)
class Source:
    """Content to start from."""

    path: Path | None
    """`.keras` file, or the weights of a network of `keras.applications`; None: Keras has the weights by their name."""
    fingerprint: str
    """Hash of the content, whatever the time of writing and the place; the name where Keras has it."""


def find_source(config: TransferConfig, tracking: TrackingConfig) -> Source:
    """Finds the file of a pretrained network and hashes its content.

    Args:
        config: The recipe's `model` section.
        tracking: Where runs and registered models are recorded; copies of registered models are kept in its directory.

    Raises:
        UserError: If there is no such network.
    """
    if config.application:
        return _application(config)
    if config.source.endswith(".keras"):
        path = Path(config.source)
    elif config.source.startswith("models:/"):
        path = _registered(config.source, tracking)
    else:
        path = _of_run(config.source, tracking)
    return Source(path, _content(path))


def _application(config: TransferConfig) -> Source:
    weights = Path(config.weights or "imagenet")
    if not weights.suffix:
        return Source(None, f"{config.source} {weights}")
    if not weights.is_file():
        raise UserError(f"model.weights: expected a file of weights. There is no {weights}")
    digest = hashlib.blake2b(weights.read_bytes(), digest_size=16).hexdigest()
    return Source(weights, f"{config.source} {digest}")


def _registered(uri: str, tracking: TrackingConfig) -> Path:
    """A copy of the Keras file of a registered model, named for its content."""
    from pipeline.registry import fetched, find_model
    from pipeline.runs import open_existing

    store = open_existing(tracking.uri)
    with fetched(store, find_model(store, uri)) as folder:
        files = sorted(folder.rglob("*.keras"))
        if len(files) != 1:
            raise UserError(f"model.source: expected a model of Keras. {uri} holds {len(files)} .keras files")
        copy = Path(tracking.directory) / "pretrained" / f"{_content(files[0])}.keras"
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            partial = copy.with_suffix(".partial")
            shutil.copyfile(files[0], partial)
            partial.rename(copy)
    return copy


def _of_run(text: str, tracking: TrackingConfig) -> Path:
    """The network that the stage train of a run wrote, or of the run that it was reused from."""
    from pipeline.runs import find_run, known_runs

    record = find_run(list(known_runs(tracking.uri)[0]), text)
    how = record.tags.get("stage.train", "")
    owner = how.removeprefix("reused from ") if how.startswith("reused from ") else record.id
    entries = (Path(tracking.directory) / "stages" / "train").glob("*/entry.json")
    for entry in sorted(entries):
        if json.loads(entry.read_text(encoding="utf-8"))["run_id"] == owner:
            return entry.with_name("network.keras")
    raise UserError(
        f"model.source: run {record.name} {record.id[:8]} has left no trained network under {tracking.directory}. "
        "Run its recipe again, or name a .keras file or a registered model"
    )


def _content(path: Path) -> str:
    """Hashes what a `.keras` file holds, but for the date of saving."""
    digest = hashlib.blake2b(digest_size=16)
    try:
        with zipfile.ZipFile(path) as archive:
            for name in sorted(set(archive.namelist()) - {"metadata.json"}):
                digest.update(name.encode())
                digest.update(archive.read(name))
    except (OSError, zipfile.BadZipFile) as error:
        raise UserError(f"model.source: expected a whole .keras file. Received: {path} ({error})") from error
    return digest.hexdigest()
