"""Folders of collected examples, written as `collect` writes them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.examples import ExampleWriter
from pipeline.journal import Journal, StageResult
from pipeline.manifest import ID, LABEL, SPLIT, Manifest
from pipeline.preprocess import preprocess
from pipeline.recipe.preprocess import PreprocessConfig
from pipeline.serving.description import Column

Collect = Callable[..., Path]
Prepare = Callable[..., tuple[Path, StageResult]]


@pytest.fixture
def collect(tmp_path: Path) -> Collect:
    """Writes `train` and `validation` examples, given as columns, in batches of three."""

    def write(kind: str, train: dict[str, Any], validation: dict[str, Any], columns: Sequence[Column] = ()) -> Path:
        folder = tmp_path / "examples"
        folder.mkdir()
        schema = None
        counts = {}
        with ExampleWriter(folder / "examples.arrow") as writer:
            for split, values in (("train", train), ("validation", validation)):
                table = pa.table(values, schema=schema)
                schema = table.schema
                counts[split] = len(table)
                table = table.append_column(ID, pa.array([f"{split}-{i}" for i in range(len(table))]))
                table = table.append_column(LABEL, pa.array([i % 2 for i in range(len(table))], pa.int32()))
                table = table.append_column(SPLIT, pa.array([split] * len(table)))
                for batch in table.to_batches(max_chunksize=3):
                    writer.write(batch)
        Manifest(
            kind=kind,  # type: ignore[arg-type]
            task="binary",
            label=("label",),
            classes=("no", "yes"),
            columns=tuple(columns),
            counts=counts | {"test": 0},
            fingerprint="",
            source="a test",
        ).save(folder / "manifest.json")
        return folder

    return write


@pytest.fixture
def prepare(collect: Collect, tmp_path: Path) -> Prepare:
    """Collects and preprocesses; keywords are the recipe's `preprocess` section."""

    def run(
        kind: str, train: dict[str, Any], validation: dict[str, Any], columns: Sequence[Column] = (), **section: Any
    ) -> tuple[Path, StageResult]:
        out = tmp_path / "prepared"
        out.mkdir()
        result = preprocess(
            PreprocessConfig.model_validate(section),
            examples=collect(kind, train, validation, columns),
            out=out,
            journal=Journal(out / "journal.jsonl"),
        )
        return out, result

    return run
