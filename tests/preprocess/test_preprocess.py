from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.journal import Journal
from pipeline.preprocess import preprocess
from pipeline.preprocess.split import Split
from pipeline.preprocess.store import labels
from pipeline.recipe.preprocess import PreprocessConfig
from pipeline.serving.description import Column
from tests.encoded import encoded
from tests.preprocess.conftest import Collect

AGE = Column("age", "number")


def run(examples: Path, out: Path, **section: str) -> str:
    out.mkdir()
    config = PreprocessConfig.model_validate(section)
    return preprocess(config, examples=examples, out=out, journal=Journal(out / "journal.jsonl")).fingerprint


@pytest.fixture
def examples(collect: Collect) -> Path:
    return collect("table", {"age": [1.0, 2.0, 4.0]}, {"age": [3.0]}, [AGE])


@pytest.mark.parametrize(
    ("kind", "train", "columns"),
    [
        ("table", {"age": [1.0, None, 4.0], "city": ["Oslo", "Rome", None]}, [AGE, Column("city", "category")]),
        ("text", {"text": ["one", "two words", "three"]}, []),
        ("image", {"image": [encoded(np.full((3, 3), 7, np.uint8))]}, []),
    ],
)
def test_equal_examples_and_section_give_the_same_fingerprint(
    collect: Collect, tmp_path: Path, kind: str, train: dict[str, Any], columns: list[Column]
) -> None:
    folder = collect(kind, train, train, columns)
    assert run(folder, tmp_path / "a") == run(folder, tmp_path / "b")


def test_another_section_gives_another_fingerprint(examples: Path, tmp_path: Path) -> None:
    assert run(examples, tmp_path / "a") != run(examples, tmp_path / "b", normalize="unit")


def test_batches_of_a_split_hold_its_examples_alone_and_no_more_than_asked(collect: Collect) -> None:
    folder = collect("table", {"age": [1.0, 2.0, 3.0, 4.0, 5.0]}, {"age": [6.0]}, [AGE])
    batches = list(Split(folder / "examples.arrow", "train", batch_size=2).batches("age"))
    assert [batch.num_rows for batch in batches] == [2, 1, 2]
    assert pa.Table.from_batches(batches).to_pydict() == {"age": [1.0, 2.0, 3.0, 4.0, 5.0]}


def test_prepared_arrays_can_be_memory_mapped(examples: Path, tmp_path: Path) -> None:
    run(examples, tmp_path / "a")
    mapped = np.load(tmp_path / "a/train/numbers.npy", mmap_mode="r")
    assert mapped[:, 0].tolist() == [1, 2, 4]


@pytest.mark.parametrize(
    ("stored", "dtype", "shape"),
    [
        (pa.array([0, 2], pa.int32()), "int32", (2,)),
        (pa.array([0.5, 2.5], pa.float32()), "float32", (2,)),
        (pa.array([[0, 1, 1], [1, 0, 0]], pa.list_(pa.float32())), "float32", (2, 3)),
    ],
)
def test_labels_of_every_task_become_arrays(stored: pa.Array, dtype: str, shape: tuple[int, ...]) -> None:
    array = labels(stored)
    assert (array.dtype, array.shape, array.tolist()) == (np.dtype(dtype), shape, stored.to_pylist())
