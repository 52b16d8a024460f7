from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.journal import Journal
from pipeline.preprocess import preprocess
from pipeline.preprocess.split import Split
from pipeline.recipe.preprocess import PreprocessConfig
from pipeline.serving.signature import Column
from tests.preprocess.conftest import Collect

AGE = Column("age", "number")


def run(examples: Path, out: Path, **section: str) -> str:
    out.mkdir()
    config = PreprocessConfig.model_validate(section)
    return preprocess(config, examples=examples, out=out, journal=Journal(out / "journal.jsonl")).fingerprint


@pytest.fixture
def examples(collect: Collect) -> Path:
    return collect("table", {"age": [1.0, 2.0, 4.0]}, {"age": [3.0]}, [AGE])


def test_equal_examples_and_section_give_the_same_fingerprint(examples: Path, tmp_path: Path) -> None:
    assert run(examples, tmp_path / "a") == run(examples, tmp_path / "b")


def test_another_section_gives_another_fingerprint(examples: Path, tmp_path: Path) -> None:
    assert run(examples, tmp_path / "a") != run(examples, tmp_path / "b", normalize="unit")


def test_batches_of_a_split_hold_its_examples_alone_and_no_more_than_asked(collect: Collect) -> None:
    folder = collect("table", {"age": [1.0, 2.0, 3.0, 4.0, 5.0]}, {"age": [6.0]}, [AGE])
    batches = list(Split(folder / "development.arrow", "train", batch_size=2).batches("age"))
    assert [batch.num_rows for batch in batches] == [2, 1, 2]
    assert pa.Table.from_batches(batches).to_pydict() == {"age": [1.0, 2.0, 3.0, 4.0, 5.0]}


def test_prepared_arrays_can_be_memory_mapped(examples: Path, tmp_path: Path) -> None:
    run(examples, tmp_path / "a")
    mapped = np.load(tmp_path / "a/train/numbers.npy", mmap_mode="r")
    assert mapped[:, 0].tolist() == [1, 2, 4]
