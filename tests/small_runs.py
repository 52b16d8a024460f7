"""Small real runs that several tests look at; `conftest.py` makes each once a session."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image
from pydantic import TypeAdapter
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits

from models.config import ModelConfig
from pipeline.evaluate import evaluate
from pipeline.journal import Journal
from pipeline.manifest import ID, LABEL, SPLIT, Manifest
from pipeline.preprocess import preprocess
from pipeline.recipe.evaluate import EvaluateConfig
from pipeline.recipe.preprocess import PreprocessConfig
from pipeline.recipe.register import RegisterConfig
from pipeline.recipe.train import TrainConfig
from pipeline.register import ModelRegistry, register
from pipeline.registry import Registry
from pipeline.serving.description import Column
from pipeline.tracking import Store, open_store
from pipeline.training.setup import TrainingSetup
from pipeline.training.train import train

SIZES = {"train": 300, "validation": 60, "test": 120}
"""Examples of each split: the first ones, in this order."""


@dataclass(frozen=True)
class Stages:
    """Folders of the stages of one run."""

    examples: Path
    prepared: Path
    trained: Path
    evaluated: Path


def _column(features: dict[str, list[Any]], labels: list[Any], label_type: pa.DataType) -> pa.Table:
    ids = [f"{i:08x}" for i in range(len(labels))]
    splits = np.repeat(list(SIZES), list(SIZES.values()))
    return pa.table({**features, ID: ids, LABEL: pa.array(labels, label_type), SPLIT: splits})


def write_examples(
    folder: Path, features: dict[str, list[Any]], labels: list[Any], label_type: pa.DataType, **facts: Any
) -> Path:
    """Writes a folder as collect does."""
    (folder / "sealed").mkdir(parents=True)
    table = _column(features, labels, label_type)
    is_test = pa.compute.equal(table.column(SPLIT), "test")
    parts = {
        "examples.arrow": table.filter(pa.compute.invert(is_test)),
        "sealed/test.arrow": table.filter(is_test).drop_columns([SPLIT]),
    }
    for name, part in parts.items():
        with pa.ipc.new_file(str(folder / name), part.schema) as file:
            file.write_table(part)
    manifest = Manifest(counts=SIZES, fingerprint="", source="a test", **facts)
    manifest.save(folder / "manifest.json")
    return folder


def _png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray((pixels * 255 / 16).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def write_digits(folder: Path) -> Path:
    """Images of ten classes."""
    bunch, count = load_digits(), sum(SIZES.values())
    images = [_png(pixels) for pixels in bunch.images[:count]]
    classes = tuple(str(digit) for digit in range(10))
    return write_examples(
        folder,
        {"image": images},
        bunch.target[:count].tolist(),
        pa.int32(),
        kind="image",
        task="multiclass",
        label=("digit",),
        classes=classes,
        columns=(),
    )


def _rows(bunch: Any, num_columns: int) -> tuple[dict[str, list[Any]], np.ndarray]:
    order = np.random.Generator(np.random.PCG64(0)).permutation(len(bunch.target))[: sum(SIZES.values())]
    names = [str(name) for name in bunch.feature_names][:num_columns]
    return {name: bunch.data[order, i].tolist() for i, name in enumerate(names)}, bunch.target[order]


def write_cells(folder: Path) -> Path:
    """Rows of two classes: numbers with a missing one, a category, a boolean with a missing one."""
    features, target = _rows(load_breast_cancer(), 6)
    worries = [value > 15 for value in features["mean radius"]]
    features |= {
        "size": ["large" if value > 15 else "small" for value in features["mean radius"]],
        "worry": [None, *worries[1:]],
    }
    features["mean texture"][3] = None
    kinds = dict.fromkeys(features, "number") | {"size": "category", "worry": "boolean"}
    return write_examples(
        folder,
        features,
        target.tolist(),
        pa.int32(),
        kind="table",
        task="binary",
        label=("benign",),
        classes=("malignant", "benign"),
        columns=tuple(Column(name, kind) for name, kind in kinds.items()),
    )


def write_diabetes(folder: Path) -> Path:
    """Rows with a value to predict."""
    bunch = load_diabetes()
    features, target = _rows(bunch, 10)
    features = {name: (values * 2)[: sum(SIZES.values())] for name, values in features.items()}
    target = np.concatenate([target, target])[: sum(SIZES.values())]
    return write_examples(
        folder,
        features,
        (target / 100).tolist(),
        pa.float32(),
        kind="table",
        task="regression",
        label=("progression",),
        classes=(),
        columns=tuple(Column(name, "number") for name in features),
    )


def write_topics(folder: Path) -> Path:
    """Texts with two labels that may hold together."""
    count = sum(SIZES.values())
    labels = [[float(i % 2), float(i % 3 == 0)] for i in range(count)]
    texts = [
        f"number {i} {'odd' if odd else 'even'} {'triple' if third else 'plain'}"
        for i, (odd, third) in enumerate(labels)
    ]
    return write_examples(
        folder,
        {"text": texts},
        labels,
        pa.list_(pa.float32()),
        kind="text",
        task="multilabel",
        label=("odd", "triple"),
        classes=("odd", "triple"),
        columns=(),
    )


def model(**section: Any) -> ModelConfig:
    """A `model` section from its keys."""
    return TypeAdapter(ModelConfig).validate_python(section)


def train_section(**section: Any) -> TrainConfig:
    """A `train` section from its keys."""
    return TrainConfig.model_validate(section)


def train_small(prepared: Path, out: Path, network: ModelConfig, section: TrainConfig, **changed: Any) -> Path:
    """Runs the stage train with what the recipe would say by default."""
    out.mkdir(parents=True, exist_ok=True)
    arguments: dict[str, Any] = {"batch_size": 32, "seed": 42, **changed}
    setup = TrainingSetup(section=section, model=network, prepared=prepared, **arguments)
    result = train(setup, out=out, journal=Journal(out / "journal.jsonl"))
    (out / "fingerprint").write_text(result.fingerprint)
    return out


def run_stages(folder: Path, write: Callable[[Path], Path], network: ModelConfig, section: TrainConfig) -> Stages:
    """Runs preprocess, train and evaluate on written examples."""
    examples, prepared, evaluated = write(folder / "examples"), folder / "prepared", folder / "evaluated"
    prepared.mkdir()
    preprocess(PreprocessConfig(), examples=examples, out=prepared, journal=Journal(prepared / "journal.jsonl"))
    trained = train_small(prepared, folder / "trained", network, section)
    evaluated.mkdir()
    evaluate(
        EvaluateConfig(),
        sealed=examples / "sealed",
        prepared=prepared,
        trained=trained,
        out=evaluated,
        journal=Journal(evaluated / "journal.jsonl"),
    )
    return Stages(examples, prepared, trained, evaluated)


def run_digits(folder: Path) -> Stages:
    network = model(type="cnn", filters=[8], units=16, batch_norm=True, dropout=0.1)
    section = train_section(epochs=6, optimizer={"learning_rate": 0.01}, early_stopping={"monitor": "val_accuracy"})
    return run_stages(folder, write_digits, network, section)


def run_cells(folder: Path) -> Stages:
    section = train_section(epochs=4, optimizer={"learning_rate": 0.01})
    return run_stages(folder, write_cells, model(type="mlp", units=[16]), section)


def run_diabetes(folder: Path) -> Stages:
    section = train_section(epochs=4, optimizer={"learning_rate": 0.01})
    return run_stages(folder, write_diabetes, model(type="mlp", units=[16]), section)


def run_topics(folder: Path) -> Stages:
    section = train_section(epochs=4, optimizer={"learning_rate": 0.05})
    network = model(type="text", embedding_dim=8, units=0)
    return run_stages(folder, write_topics, network, section)


@dataclass(frozen=True)
class Registered:
    """A store with the models of some runs."""

    store: Store
    stages: dict[str, Stages]
    folders: dict[str, Path]
    """What register wrote, by registered name."""


def new_registry(store: Store, evaluated: Path, key: str | None = None) -> Registry:
    """A registry for a new run in the store, which has the predictions that evaluate wrote; `key` is of its result."""
    experiment = store.client.get_experiment_by_name("tests")
    experiment_id = (
        experiment.experiment_id
        if experiment
        else store.client.create_experiment("tests", artifact_location=str(store.artifacts))
    )
    run_id = store.client.create_run(experiment_id).info.run_id
    store.client.log_artifact(run_id, str(evaluated / "artifacts" / "predictions.parquet"), "evaluate")
    return Registry(store, run_id, key)


def register_small(stages: Stages, out: Path, registry: ModelRegistry, name: str, **section: Any) -> Path:
    """Runs the stage register."""
    out.mkdir(parents=True)
    register(
        RegisterConfig.model_validate(section),
        name=name,
        prepared=stages.prepared,
        trained=stages.trained,
        evaluated=stages.evaluated,
        out=out,
        journal=Journal(out / "journal.jsonl"),
        registry=registry,
    )
    return out


def register_all(folder: Path, **stages: Stages) -> Registered:
    """Registers runs in a store of their own, by their names."""
    store = open_store("sqlite:///mlflow.db", folder)
    folders = {
        name: register_small(of, folder / name, new_registry(store, of.evaluated), name, gate={"accuracy": 0.5})
        for name, of in stages.items()
    }
    return Registered(store, stages, folders)
