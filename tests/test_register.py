"""Registration: the check in a fresh process, the version, the gate."""

import json
import shutil
from pathlib import Path

import mlflow
import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.gate import TEST_FINGERPRINT, Version, decide
from pipeline.journal import read_journal
from pipeline.register import ExportError
from pipeline.registry import CHAMPION, mlflow_signature
from pipeline.serving.signature import Signature
from tests.small_runs import Registered, Stages, new_registry, register_small

SCORES = {"accuracy": 0.9, "log_loss": 0.4}


def champion(accuracy: float, fingerprint: str = "same") -> Version:
    return Version("digits", "3", {"test/accuracy": repr(accuracy), TEST_FINGERPRINT: fingerprint})


@pytest.mark.parametrize("name", ["digits", "cells"])
def test_a_fresh_process_answers_raw_test_examples_to_the_bit(registered: Registered, name: str) -> None:
    records = list(read_journal(registered.folders[name] / "journal.jsonl"))
    (metrics,) = [record["values"] for record in records if record["kind"] == "metrics"]
    assert metrics == {"export/max_difference": 0.0}


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


def test_a_model_that_answers_otherwise_is_not_registered(registered: Registered, tmp_path: Path) -> None:
    digits = registered.stages["digits"]
    evaluated = tmp_path / "evaluated"
    shutil.copytree(digits.evaluated, evaluated)
    outputs = np.load(evaluated / "check_outputs.npy")
    outputs[7, 3] += 1e-4
    np.save(evaluated / "check_outputs.npy", outputs)
    stages = Stages(digits.examples, digits.prepared, digits.trained, evaluated)
    with pytest.raises(ExportError, match=r"`probability_3` differs by .* on 120 test examples. It was not registered"):
        register_small(stages, tmp_path / "out", new_registry(registered.store), "changed")
    assert not registered.store.client.search_model_versions("name = 'changed'")


def test_a_gate_on_a_metric_that_was_not_computed_is_refused(registered: Registered, tmp_path: Path) -> None:
    digits = registered.stages["digits"]
    with pytest.raises(UserError, match=r"register.gate.brier: expected a metric of evaluate.metrics: accuracy"):
        register_small(digits, tmp_path / "out", new_registry(registered.store), "digits", gate={"brier": 0.1})


def test_champion_moves_when_every_bound_holds_and_it_is_not_worse() -> None:
    decision = decide({"accuracy": 0.9, "log_loss": 0.5}, SCORES, "same", champion(0.9))
    assert decision.champion
    assert decision.reasons == (
        "test accuracy 0.9000 is at least 0.9",
        "test log_loss 0.4000 is at most 0.5",
        "test accuracy 0.9000 is not worse than 0.9000 of the champion, version 3",
    )


@pytest.mark.parametrize(
    ("gate", "present", "reason"),
    [
        ({"accuracy": 0.95}, None, "test accuracy 0.9000 is not at least 0.95"),
        ({"log_loss": 0.3}, None, "test log_loss 0.4000 is not at most 0.3"),
        ({}, champion(0.91), "test accuracy 0.9000 is worse than 0.9100 of the champion, version 3"),
        ({}, champion(0.5, "other"), "measured on other test examples"),
        ({}, Version("digits", "3", {}), "its test accuracy is not on record"),
    ],
)
def test_champion_stays_and_the_reason_is_said(gate: dict[str, float], present: Version | None, reason: str) -> None:
    decision = decide(gate, SCORES, "same", present)
    assert not decision.champion
    assert any(reason in said for said in decision.reasons)


def test_a_worse_model_becomes_a_version_but_not_champion(registered: Registered, tmp_path: Path) -> None:
    digits = registered.stages["digits"]
    evaluated = tmp_path / "evaluated"
    shutil.copytree(digits.evaluated, evaluated)
    metrics = json.loads((evaluated / "metrics.json").read_text())
    metrics["test"]["accuracy"] -= 0.1
    (evaluated / "metrics.json").write_text(json.dumps(metrics))
    worse = Stages(digits.examples, digits.prepared, digits.trained, evaluated)
    folder = register_small(worse, tmp_path / "out", new_registry(registered.store), "digits")
    registration = json.loads((folder / "registration.json").read_text())
    assert (registration["version"], registration["champion"]) == ("2", False)
    assert registered.store.client.get_model_version_by_alias("digits", CHAMPION).version == 1


def test_raw_input_has_mlflow_types(cells: Stages, digits: Stages) -> None:
    image = mlflow_signature(Signature.load(digits.prepared / "signature.json"))
    assert image.inputs.to_dict() == [{"type": "binary", "name": "image", "required": True}]
    table = mlflow_signature(Signature.load(cells.prepared / "signature.json"))
    types = {column["name"]: column["type"] for column in table.inputs.to_dict()}
    assert (types["mean radius"], types["size"], types["worry"]) == ("double", "string", "any")
