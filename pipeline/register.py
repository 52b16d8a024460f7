"""Exports the model as it will be served, checks it in a fresh process, and registers it behind the gate."""

import hashlib
import json
import math
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.comparison.predictions import FILE, TestPredictions
from pipeline.gate import TEST_FINGERPRINT, Champion, Decision, Version, check_section, decide
from pipeline.journal import Journal, StageResult
from pipeline.manifest import ID, LABEL
from pipeline.recipe.register import RegisterConfig
from pipeline.serving.answers import answers
from pipeline.serving.client import ask
from pipeline.serving.compose import compose, load_model
from pipeline.serving.signature import Signature

NUM_EXAMPLE_ROWS = 3
CALIBRATED = "calibrated.keras"
"""What evaluate wrote if the recipe asks for temperature scaling."""

DECISION = "plumbline.decision"
"""Tag of a version: what the gate said, for whoever goes on where a killed process was."""

TOLERANCE = 1e-6
"""Largest difference of an answer, relative to its size where that is above 1. Mostly it is 0.0, as code, versions and
batch are the same; but some kernels, of a GPU or for another alignment of memory, add up in another order, which moves
the last of float32's seven digits."""


class ModelRegistry(Protocol):
    """What register asks of a registry; `pipeline/registry.py` is MLflow's."""

    def package(self, folder: Path, *, model: Path, signature: Path, example: pd.DataFrame) -> None:
        """Writes a model that can be served into `folder`."""

    def register(self, name: str, folder: Path, *, tags: Mapping[str, str], description: str) -> Version:
        """Makes a packaged model the next version of `name`."""

    def left_behind(self, name: str) -> Version | None:
        """The version of this very result that a process registered before it was killed."""

    def champion(self, name: str) -> Version | None:
        """The version that serves now."""

    def predictions(self, version: Version) -> TestPredictions | None:
        """What a version answered on its test examples; None if it is not on record."""

    def promote(self, version: Version) -> None:
        """Lets a version serve from now on."""


class ExportError(RuntimeError):
    """The exported model answers otherwise than the network that was evaluated."""


def register(
    section: RegisterConfig,
    *,
    name: str,
    prepared: Path,
    trained: Path,
    evaluated: Path,
    out: Path,
    journal: Journal,
    registry: ModelRegistry,
) -> StageResult:
    """Puts the model into the registry once a fresh process has answered test examples with it as evaluate did.

    Writes `served/` (the MLflow model: raw input -> answers) and `registration.json`.

    Args:
        section: Name and gate.
        name: Name of the recipe, for a section without one.
        prepared: Folder that preprocess wrote.
        trained: Folder that train wrote.
        evaluated: Folder that evaluate wrote.
        out: Folder to write into.
        journal: Record of the stage.
        registry: Where versions are kept.

    Raises:
        UserError: If the gate asks for a metric or a group that evaluate did not find.
        ExportError: If the served model answers otherwise than the evaluated one.
        ServedModelError: If the served model cannot be loaded or does not answer.
    """
    metrics = json.loads((evaluated / "metrics.json").read_text(encoding="utf-8"))
    test = TestPredictions.read(evaluated / "artifacts" / FILE)
    check_section(section, metrics["test"], test)
    served = out / "served"
    check = _read_check(evaluated / "check.arrow")
    _export(served, registry, prepared, _network(trained, evaluated), check)
    outputs = np.load(evaluated / "check_outputs.npy")
    difference = verify(served, check, outputs, Signature.load(prepared / "signature.json"))
    journal.log_metrics({"export/max_difference": difference})
    journal.say(
        f"export: a fresh process answered {len(check)} raw test examples as evaluate did (within {difference:g})"
    )

    registered_name = section.name or name
    version = registry.left_behind(registered_name)
    if version:
        decision = _decided(version)
    else:
        decision = decide(section, metrics["test"], test, _champion(registry, registered_name))
        version = registry.register(
            registered_name,
            served,
            tags=_tags(metrics, decision),
            description=_description(name, metrics, decision),
        )
    if decision.champion:
        registry.promote(version)
    alias = {"registered.alias": "champion"} if decision.champion else {}
    journal.set_tags({"registered.name": version.name, "registered.version": version.version, **alias})
    journal.say(f"{version.name} version {version.version}: {decision}")
    return _write(version, decision, out)


def verify(served: Path, examples: pd.DataFrame, outputs: np.ndarray, signature: Signature) -> float:
    """Feeds raw examples to a served model in a fresh process and compares its answers with what evaluate saw.

    Args:
        served: Folder of the MLflow model.
        examples: Raw test examples, one batch.
        outputs: What the network said of them: (num_examples, num_outputs).
        signature: Task and names of the classes.

    Returns:
        The largest difference of a number, relative to its size where that is above 1; at most `TOLERANCE`.

    Raises:
        ExportError: If an answer differs.
        ServedModelError: If the model cannot be loaded or does not answer.
    """
    expected, answered = answers(outputs, signature), ask(served, examples)
    differences = {name: difference(expected[name], answered[name]) for name in expected}
    worst = max(differences, key=lambda name: differences[name])
    if not differences[worst] <= TOLERANCE:
        raise ExportError(
            f"The exported model in {served} answers otherwise than the evaluated network: "
            f"`{worst}` differs by {differences[worst]:g} on {len(examples)} test examples. It was not registered"
        )
    return differences[worst]


def difference(expected: "pd.Series[Any]", answered: "pd.Series[Any]") -> float:
    """The largest difference of two columns, relative to what is expected where that is above 1; infinite: of words."""
    if pd.api.types.is_numeric_dtype(expected):
        known = expected.to_numpy()
        return float((np.abs(known - answered.to_numpy()) / np.maximum(1.0, np.abs(known))).max())
    pairs = zip(expected, answered, strict=True)
    return 0.0 if all(np.array_equal(left, right) for left, right in pairs) else math.inf


def _read_check(path: Path) -> pd.DataFrame:
    """The raw examples as a client would send them: without identity and label."""
    with pa.memory_map(str(path)) as file:
        check: pd.DataFrame = pa.ipc.open_file(file).read_all().drop_columns([ID, LABEL]).to_pandas()
        return check


def _champion(registry: ModelRegistry, name: str) -> Champion | None:
    version = registry.champion(name)
    return Champion(version, registry.predictions(version)) if version else None


def _network(trained: Path, evaluated: Path) -> Path:
    """The network that was evaluated: the trained one, or the same with temperature scaling behind it."""
    calibrated = evaluated / CALIBRATED
    return calibrated if calibrated.exists() else trained / "network.keras"


def _export(served: Path, registry: ModelRegistry, prepared: Path, network: Path, examples: pd.DataFrame) -> None:
    with tempfile.TemporaryDirectory(dir=served.parent) as folder:
        model = Path(folder) / "model.keras"
        compose(load_model(prepared / "prepare.keras"), load_model(network)).save(model)
        registry.package(
            served, model=model, signature=prepared / "signature.json", example=examples.head(NUM_EXAMPLE_ROWS)
        )


def _decided(version: Version) -> Decision:
    """What the gate said of a version when it was registered."""
    tree = json.loads(version.tags[DECISION])
    return Decision(tree["champion"], tuple(tree["reasons"]))


def _tags(metrics: Mapping[str, Any], decision: Decision) -> dict[str, str]:
    scores = {f"test/{key}": repr(value) for key, value in metrics["test"].items()}
    said = {"gate": str(decision), DECISION: json.dumps(asdict(decision))}
    return {**scores, TEST_FINGERPRINT: metrics[TEST_FINGERPRINT], **said}


def _description(name: str, metrics: Mapping[str, Any], decision: Decision) -> str:
    """Markdown for the version's page."""
    scores = "\n".join(f"- test {key}: {value:.4f}" for key, value in metrics["test"].items())
    reasons = "\n".join(f"- {reason}" for reason in decision.reasons)
    verdict = "Champion" if decision.champion else "Not champion"
    return (
        f"Trained by recipe `{name}`, measured on {metrics['test_examples']} test examples.\n\n{scores}\n\n"
        f"{verdict}:\n\n{reasons}\n"
    )


def _write(version: Version, decision: Decision, out: Path) -> StageResult:
    tree = {"name": version.name, "version": version.version, **asdict(decision)}
    (out / "registration.json").write_text(json.dumps(tree, indent=2) + "\n", encoding="utf-8")
    digest = hashlib.blake2b(json.dumps(tree).encode(), digest_size=16).hexdigest()
    verdict = "champion" if decision.champion else "not champion"
    return StageResult(digest, f"{version.name} version {version.version}, {verdict}")
