"""Preprocess: fits what travels inside the exported model on the training split, and prepares both splits with it."""

import dataclasses
import hashlib
import json
from pathlib import Path

import keras
import numpy as np

from pipeline.journal import Journal, StageResult
from pipeline.manifest import Manifest
from pipeline.preprocess import image, table, text
from pipeline.preprocess.normalize import fit_normalize
from pipeline.preprocess.split import Split
from pipeline.preprocess.store import compiled, write_split
from pipeline.progress import progress
from pipeline.recipe.preprocess import PreprocessConfig, resolve
from pipeline.serving.raw import Array
from pipeline.serving.signature import Signature

SPLITS = ("train", "validation")

KINDS = {"image": image, "table": table, "text": text}
"""Kind of data to the module that fits it."""

BATCH_SIZES = {"image": 64, "table": 8192, "text": 1024}
"""Raw examples that are in memory at once, at most."""


def preprocess(section: PreprocessConfig, *, examples: Path, out: Path, journal: Journal) -> StageResult:
    """Fits on the training split alone, then prepares the training and the validation split.

    Writes `prepare.keras` (raw tensors -> prepared), `normalize.keras` (prepared -> network inputs), `signature.json`,
    `<split>/<tensor>.npy`, `<split>/label.npy`, `<split>/id.npy` and `artifacts/preprocess.json`.

    Args:
        section: The recipe's `preprocess` section.
        examples: Folder that `collect` wrote.
        out: Folder to write to.
        journal: The stage's record.

    Raises:
        UserError: If the section has a key or a value that the kind of data lacks.
    """
    manifest = Manifest.load(examples / "manifest.json")
    section = resolve(section, manifest.kind)
    splits = {name: Split(examples / "examples.arrow", name, BATCH_SIZES[manifest.kind]) for name in SPLITS}
    signature = Signature(**manifest.description())

    fitted = KINDS[manifest.kind].fit(section, signature, splits["train"])
    for note in fitted.notes:
        journal.say(note)
    signature = dataclasses.replace(
        signature,
        shapes=tuple((name, tuple(tensor.shape[1:])) for name, tensor in fitted.prepare.output.items()),
        category_sizes=fitted.category_sizes,
        vocabulary_size=fitted.vocabulary_size,
    )
    signature.save(out / "signature.json")
    fitted.prepare.save(out / "prepare.keras")

    prepare = compiled(fitted.prepare)
    with progress("preprocess", sum(manifest.counts[name] for name in SPLITS)) as advance:
        arrays = {
            name: write_split(splits[name], manifest.counts[name], prepare, signature, out / name, advance)
            for name in SPLITS
        }
    normalize, normalization = fit_normalize(section, signature, arrays["train"])
    normalize.save(out / "normalize.keras")

    facts = {
        "kind": manifest.kind,
        **section.model_dump(exclude_none=True),
        "fitted": fitted.facts,
        "normalization": normalization,
    }
    _write_facts(facts, out / "artifacts" / "preprocess.json", journal)
    return StageResult(
        _fingerprint(arrays, fitted.prepare, normalize, signature),
        f"{_shapes(signature)}, normalised: {section.normalize}; "
        + ", ".join(f"{manifest.counts[name]} {name}" for name in SPLITS),
    )


def _write_facts(facts: dict[str, object], path: Path, journal: Journal) -> None:
    path.parent.mkdir()
    path.write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    journal.log_artifact(path)


def _shapes(signature: Signature) -> str:
    return ", ".join(f"{name} {'×'.join(map(str, shape))}" for name, shape in signature.shapes)


def _fingerprint(
    arrays: dict[str, dict[str, Array]], prepare: keras.Model, normalize: keras.Model, signature: Signature
) -> str:
    """Hashes prepared values and the models' configurations, in which all that was fitted is written."""
    digest = hashlib.blake2b(digest_size=16)
    for split, tensors in sorted(arrays.items()):
        for name, array in sorted(tensors.items()):
            digest.update(f"{split}/{name} {array.dtype} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
    for model in (prepare, normalize):
        digest.update(model.to_json().encode())
    digest.update(json.dumps(dataclasses.asdict(signature)).encode())
    return digest.hexdigest()
