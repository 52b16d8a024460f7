"""The stored path and the exported model must give equal outputs for the same raw examples."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from models import build
from models.config import MlpConfig
from models.spec import InputSpec, OutputSpec
from pipeline.examples import ExampleWriter
from pipeline.journal import Journal
from pipeline.manifest import ID, LABEL, SPLIT, Manifest
from pipeline.preprocess import preprocess
from pipeline.recipe.preprocess import PreprocessConfig
from pipeline.serving.compose import compose, load_model
from pipeline.serving.description import Column
from pipeline.serving.raw import raw_tensors
from pipeline.serving.signature import Signature
from tests.encoded import encoded

KINDS = ("image", "table", "text")
NUM_EXAMPLES = 12
COLUMNS = (Column("a", "number"), Column("b", "boolean"), Column("c", "category"), Column("d", "date"))


def raw_columns(kind: str) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    if kind == "image":
        shapes = [(6, 5), (6, 5, 3), (9, 7)]
        return {
            "image": [encoded(rng.integers(0, 256, shapes[i % 3], dtype=np.uint8)) for i in range(NUM_EXAMPLES)],
        }
    if kind == "text":
        words = ["Straße", "ÉTÉ,", "and", "...", "unto", "(you)"]
        return {"text": [" ".join(rng.choice(words, i)) for i in range(NUM_EXAMPLES)]}
    return {
        "a": [None if i % 4 == 0 else float(x) for i, x in enumerate(rng.normal(1000, 300, NUM_EXAMPLES))],
        "b": [True, False, None] * (NUM_EXAMPLES // 3),
        "c": [["x", "y", "", "z"][i % 4] if i < 8 else f"rare {i}" for i in range(NUM_EXAMPLES)],
        "d": pa.array(range(0, 10**15 * NUM_EXAMPLES, 10**15), pa.timestamp("us")),
    }


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Kind of data to the folder of an exported model."""
    return {kind: export(kind, tmp_path_factory.mktemp(kind)) for kind in KINDS}


def export(kind: str, folder: Path) -> Path:
    """Preprocesses a data set and exports a network for it; keeps its raw validation examples."""
    table = pa.table(raw_columns(kind))
    splits = ["validation" if i % 3 == 2 else "train" for i in range(NUM_EXAMPLES)]
    table = table.append_column(ID, pa.array([str(i) for i in range(NUM_EXAMPLES)]))
    table = table.append_column(LABEL, pa.array([0] * NUM_EXAMPLES, pa.int32())).append_column(SPLIT, pa.array(splits))
    with ExampleWriter(folder / "examples.arrow") as writer:
        for batch in table.to_batches():
            writer.write(batch)
    counts = {"train": splits.count("train"), "validation": splits.count("validation"), "test": 0}
    columns = COLUMNS if kind == "table" else ()
    facts = {"kind": kind, "task": "multiclass", "label": ("y",), "classes": ("p", "q"), "columns": columns}
    Manifest(counts=counts, fingerprint="", source="a test", **facts).save(folder / "manifest.json")
    preprocess(PreprocessConfig(), examples=folder, out=folder, journal=Journal(folder / "journal.jsonl"))

    signature = Signature.load(folder / "signature.json")
    inputs = InputSpec(kind, dict(signature.shapes), signature.category_sizes, signature.vocabulary_size)
    normalize = load_model(folder / "normalize.keras")
    network = build(MlpConfig(type="mlp"), normalize, inputs, OutputSpec("multiclass", 3), seed=1)
    network.save(folder / "network.keras")
    compose(load_model(folder / "prepare.keras"), load_model(folder / "network.keras")).save(folder / "model.keras")
    with pa.ipc.new_file(folder / "raw.arrow", table.schema) as writer:
        writer.write_table(table.filter(pa.array([split == "validation" for split in splits])))
    return folder


def stored_outputs(folder: Path) -> np.ndarray:
    signature = Signature.load(folder / "signature.json")
    prepared = {name: np.load(folder / f"validation/{name}.npy") for name, _ in signature.shapes}
    return load_model(folder / "network.keras").predict(prepared, verbose=0)


def served_outputs(folder: Path) -> np.ndarray:
    raw = pa.ipc.open_file(folder / "raw.arrow").read_all()
    tensors = raw_tensors(raw, Signature.load(folder / "signature.json"))
    return load_model(folder / "model.keras").predict_on_batch(tensors)


@pytest.mark.parametrize("kind", KINDS)
def test_exported_model_gives_what_the_stored_path_gives(folders: dict[str, Path], kind: str) -> None:
    outputs = stored_outputs(folders[kind])
    assert np.isfinite(outputs).all()
    assert len(np.unique(outputs, axis=0)) > 1
    np.testing.assert_array_equal(outputs, served_outputs(folders[kind]))


def test_exported_model_names_its_raw_inputs(folders: dict[str, Path]) -> None:
    models = [load_model(folder / "model.keras") for folder in folders.values()]
    assert [{tensor.name: tensor.dtype for tensor in model.inputs} for model in models] == [
        {"image": "string"},
        {"numbers": "float32", "categories": "string"},
        {"text": "string"},
    ]


@pytest.mark.slow
def test_exported_models_give_the_same_in_a_fresh_process_of_serving_alone(folders: dict[str, Path]) -> None:
    subprocess.run([sys.executable, "-c", SERVE, *map(str, folders.values())], check=True, timeout=240)
    for folder in folders.values():
        # Another process may add up in another order, which moves the last digit of float32.
        np.testing.assert_allclose(np.load(folder / "fresh.npy"), stored_outputs(folder), rtol=1e-6)


SERVE = """
import sys
from pathlib import Path
import numpy as np, pyarrow as pa
from pipeline.serving.compose import load_model
from pipeline.serving.raw import raw_tensors
from pipeline.serving.signature import Signature

for folder in map(Path, sys.argv[1:]):
    tensors = raw_tensors(pa.ipc.open_file(folder / "raw.arrow").read_all(), Signature.load(folder / "signature.json"))
    np.save(folder / "fresh.npy", load_model(folder / "model.keras").predict_on_batch(tensors))
ours = {name for name in sys.modules if name.split(".")[0] in ("pipeline", "models", "tuning")}
assert all(name == "pipeline" or name.startswith(("pipeline.serving", "models")) for name in ours), ours
"""
