"""Runs the stage on a recipe's `data` section and reads back everything it wrote."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pydantic import TypeAdapter

from pipeline.collect import collect
from pipeline.examples import Examples
from pipeline.journal import Journal, StageResult, read_journal
from pipeline.manifest import Manifest
from pipeline.recipe.data import DataConfig
from pipeline.sealed import read_sealed


@dataclass(frozen=True)
class Collected:
    out: Path
    result: StageResult

    @property
    def manifest(self) -> Manifest:
        return Manifest.load(self.out / "development" / "manifest.json")

    @property
    def development(self) -> pa.Table:
        return pa.Table.from_batches(list(Examples(self.out / "development" / "examples.arrow").batches()))

    @property
    def test(self) -> pa.Table:
        return read_sealed(self.out / "sealed")

    @property
    def report(self) -> dict[str, Any]:
        return json.loads((self.out / "artifacts" / "data_report.json").read_text())

    @property
    def lines(self) -> list[str]:
        return [r["text"] for r in read_journal(self.out / "journal.jsonl") if r["kind"] == "say"]

    def splits(self, column: str) -> dict[Any, str]:
        """The value of a column to the split of its row."""
        found = {row[column]: row["__split__"] for row in self.development.to_pylist()}
        return found | dict.fromkeys(self.test.column(column).to_pylist(), "test")


def data_section(**keys: Any) -> DataConfig:
    return TypeAdapter(DataConfig).validate_python(keys)


def run(out: Path, **keys: Any) -> Collected:
    out.mkdir(parents=True)
    result = collect(data_section(**keys), out=out, journal=Journal(out / "journal.jsonl"))
    return Collected(out, result)


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Collected:
    return run(tmp_path_factory.mktemp("digits") / "out", type="digits")
