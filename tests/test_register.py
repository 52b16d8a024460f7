"""Registration: the check in a fresh process, the version, the gate."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import mlflow
import numpy as np
import pandas as pd
import pytest

from pipeline.comparison.predictions import TestPredictions
from pipeline.evaluate import evaluate
from pipeline.gate import TEST_FINGERPRINT
from pipeline.journal import Journal, read_journal
from pipeline.metrics import Predicted
from pipeline.recipe.evaluate import EvaluateConfig
from pipeline.register import TOLERANCE, ExportError, difference
from pipeline.registry import CHAMPION, MODEL, Registry, mlflow_signature
from pipeline.serving.signature import Signature
from tests.small_runs import Registered, Stages, new_registry, register_small


@pytest.mark.slow
@pytest.mark.parametrize("name", ["digits", "cells"])
def test_a_fresh_process_answers_raw_test_examples_as_evaluate_did(registered: Registered, name: str) -> None:
    records = list(read_journal(registered.folders[name] / "journal.jsonl"))
    (metrics,) = [record["values"] for record in records if record["kind"] == "metrics"]
    assert list(metrics) == ["export/max_difference"]
    assert metrics["export/max_difference"] <= TOLERANCE


def test_a_difference_is_relative_to_large_answers() -> None:
    answers = pd.Series([30.0, 0.5], dtype="float32")
    last_digit = pd.Series(np.nextafter(answers.to_numpy(), np.float32(99)))
    assert 0 < difference(answers, last_digit) <= TOLERANCE
    assert difference(answers, answers + np.float32(0.003)) == pytest.approx(0.003, rel=1e-3)
    assert difference(answers * 100, answers * 100 + np.float32(0.3)) == pytest.approx(0.3 / 50, rel=1e-3)


def test_the_version_tells_its_metrics_its_run_and_its_gate(registered: Registered) -> None:
    version = registered.store.client.get_model_version_by_alias("digits", CHAMPION)
    metrics = json.loads((registered.stages["digits"].evaluated / "metrics.json").read_text())
    assert float(version.tags["test/accuracy"]) == metrics["test"]["accuracy"]
    assert version.tags[TEST_FINGERPRINT] == metrics["test_fingerprint"]
    assert "is at least 0.5; there was no champion before" in version.tags["gate"]
    assert "measured on 120 test examples" in version.description
    run = registered.store.client.get_run(version.run_id)
    (output,) = run.outputs.model_outputs
    logged = registered.store.client.get_logged_model(output.model_id)
    assert logged.artifact_location == version.source
    assert json.loads(logged.tags["mlflow.modelVersions"]) == [{"name": "digits", "version": "1"}]


def test_the_package_names_exact_versions_and_brings_its_code(registered: Registered) -> None:
    served = registered.folders["digits"] / "served"
    requirements = (served / "requirements.txt").read_text().split()
    assert f"mlflow=={mlflow.__version__}" in requirements
    assert all("==" in requirement for requirement in requirements)
    assert (served / "code" / "pipeline" / "serving" / "raw.py").exists()
    assert not list(served.rglob("__pycache__"))


@pytest.mark.slow
def test_a_model_that_answers_otherwise_is_not_registered(registered: Registered, tmp_path: Path) -> None:
    digits = registered.stages["digits"]
    evaluated = tmp_path / "evaluated"
    shutil.copytree(digits.evaluated, evaluated)
    outputs = np.load(evaluated / "check_outputs.npy")
    outputs[7, 3] += 1e-4
    np.save(evaluated / "check_outputs.npy", outputs)
    stages = Stages(digits.examples, digits.prepared, digits.trained, evaluated)
    with pytest.raises(ExportError, match=r"`probability_3` differs by .* on 120 test examples. It was not registered"):
        register_small(stages, tmp_path / "out", new_registry(registered.store, evaluated), "changed")
    assert not registered.store.client.search_model_versions("name = 'changed'")


@pytest.mark.slow
def test_a_worse_model_becomes_a_version_but_not_champion(registered: Registered, tmp_path: Path) -> None:
    digits = registered.stages["digits"]
    evaluated = tmp_path / "evaluated"
    shutil.copytree(digits.evaluated, evaluated)
    path = evaluated / "artifacts" / "predictions.parquet"
    test = TestPredictions.read(path)
    outputs = np.roll(test.predicted.outputs, 1, axis=1)
    replace(test, predicted=Predicted("multiclass", test.predicted.labels, outputs)).write(path)
    worse = Stages(digits.examples, digits.prepared, digits.trained, evaluated)
    folder = register_small(worse, tmp_path / "out", new_registry(registered.store, evaluated), "digits")
    registration = json.loads((folder / "registration.json").read_text())
    assert (registration["version"], registration["champion"]) == ("2", False)
    assert "worse by more than the margin" in registration["reasons"][0]
    assert registered.store.client.get_model_version_by_alias("digits", CHAMPION).version == 1


@pytest.mark.slow
def test_the_same_model_again_becomes_champion(registered: Registered, tmp_path: Path) -> None:
    cells = registered.stages["cells"]
    folder = register_small(cells, tmp_path / "out", new_registry(registered.store, cells.evaluated), "cells")
    registration = json.loads((folder / "registration.json").read_text())
    assert registration["champion"]
    assert registration["reasons"] == ["it answers every test example as the champion, version 1"]
    version = registered.store.client.get_model_version_by_alias("cells", CHAMPION)
    assert (version.version, version.tags["gate"]) == (2, f"champion: {registration['reasons'][0]}")


@pytest.mark.slow
def test_a_version_that_a_killed_process_has_registered_is_taken_over(
    registered: Registered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells, client = registered.stages["cells"], registered.store.client
    registry = new_registry(registered.store, cells.evaluated, "a key")
    monkeypatch.setattr(Registry, "promote", Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        register_small(cells, tmp_path / "killed", registry, "again")
    monkeypatch.undo()
    (left,) = client.search_model_versions("name = 'again'")
    assert new_registry(registered.store, cells.evaluated, "a key").left_behind("again") is None, "its run goes on"
    client.set_terminated(left.run_id, "KILLED")
    assert new_registry(registered.store, cells.evaluated, "another").left_behind("again") is None
    registry = new_registry(registered.store, cells.evaluated, "a key")
    folder = register_small(cells, tmp_path / "out", registry, "again")
    (version,) = client.search_model_versions("name = 'again'")
    assert client.get_model_version_by_alias("again", CHAMPION).version == version.version == 1
    registration = json.loads((folder / "registration.json").read_text())
    assert registration["reasons"] == [version.tags["gate"].removeprefix("champion: ")]
    (output,) = client.get_run(registry.run_id).outputs.model_outputs
    assert output.model_id == version.tags[MODEL]


@pytest.mark.slow
def test_a_model_with_temperature_scaling_is_served_with_it(registered: Registered, tmp_path: Path) -> None:
    cells = registered.stages["cells"]
    evaluated = tmp_path / "evaluated"
    evaluated.mkdir()
    evaluate(
        EvaluateConfig(temperature_scaling=True),
        sealed=cells.examples / "sealed",
        prepared=cells.prepared,
        trained=cells.trained,
        out=evaluated,
        journal=Journal(evaluated / "journal.jsonl"),
    )
    scaled = Stages(cells.examples, cells.prepared, cells.trained, evaluated)
    folder = register_small(scaled, tmp_path / "out", new_registry(registered.store, evaluated), "scaled")
    (metrics,) = [r["values"] for r in read_journal(folder / "journal.jsonl") if r["kind"] == "metrics"]
    assert list(metrics) == ["export/max_difference"]
    assert metrics["export/max_difference"] <= TOLERANCE
    before, after = (np.load(each / "check_outputs.npy") for each in (cells.evaluated, evaluated))
    assert not np.allclose(before, after, atol=1e-3)


def test_raw_input_has_mlflow_types(cells: Stages, digits: Stages) -> None:
    image = mlflow_signature(Signature.load(digits.prepared / "signature.json"))
    assert image.inputs.to_dict() == [{"type": "binary", "name": "image", "required": True}]
    table = mlflow_signature(Signature.load(cells.prepared / "signature.json"))
    types = {column["name"]: column["type"] for column in table.inputs.to_dict()}
    assert (types["mean radius"], types["size"], types["worry"]) == ("double", "string", "any")
