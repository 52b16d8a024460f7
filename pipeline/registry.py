"""The MLflow model registry: packages, versions, the alias `champion`. Beside `tracking`, only this imports mlflow."""

import contextlib
import importlib.metadata
import json
import os
import re
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import mlflow
import pandas as pd
from mlflow.entities import LoggedModelOutput
from mlflow.entities.logged_model_status import LoggedModelStatus
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema
from mlflow.types.schema import AnyType, Array
from mlflow.utils.mlflow_tags import MLFLOW_MODEL_VERSIONS

from pipeline.comparison.predictions import FILE, TestPredictions
from pipeline.errors import UserError
from pipeline.gate import Version
from pipeline.recipe.errors import nearest
from pipeline.serving.signature import Signature
from pipeline.tracking import Store, stored_id

# Read by mlflow when it copies files.
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

PREDICTIONS = f"evaluate/{FILE}"
"""Artifact of a run."""

CHAMPION = "champion"
"""Alias of the version that serves."""

KEY = "plumbline.key"
"""Tag of a version: the key of the stage's result."""

MODEL = "plumbline.model_id"
"""Tag of a version: MLflow's id of the logged model, which it does not tell of a version."""

MODEL_URI = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>\d+))")
"""A version of a registered model, as MLflow writes it."""

REQUIREMENTS = ("mlflow", "tensorflow", "keras", "numpy", "pandas", "pyarrow")
"""What a served model imports."""

COLUMN_TYPES = {"number": DataType.double, "category": DataType.string, "boolean": AnyType(), "date": AnyType()}
"""MLflow type of a table's column. Of booleans MLflow would turn a missing one into False, and of dates it refuses time
zones: the model checks these itself."""


class Registry:
    """Puts models of one run into the registry.

    Args:
        store: The MLflow store.
        run_id: Run that the models come from.
        key: Of the stage's result, by which a version is found again that a process registered and then was killed;
            None: each is a new one.
    """

    def __init__(self, store: Store, run_id: str, key: str | None = None):
        self._store, self._client = store, store.client
        self.run_id, self._key = run_id, key

    def package(self, folder: Path, *, model: Path, signature: Path, example: pd.DataFrame) -> None:
        """Writes an MLflow model that takes raw input and brings its own code.

        Args:
            folder: Where to; must not exist.
            model: Keras file, raw tensors -> outputs.
            signature: What `Signature.save` wrote.
            example: A few raw examples.
        """
        packages = Path(__file__).parent.parent
        with warnings.catch_warnings():
            # mlflow warns of its own type hints, of its own calls of pandas, and of hints that our signature replaces.
            warnings.simplefilter("ignore")
            mlflow.pyfunc.save_model(
                folder,
                python_model=str(packages / "pipeline" / "serving" / "pyfunc.py"),
                artifacts={"model": str(model), "signature": str(signature)},
                code_paths=[str(packages / "pipeline"), str(packages / "models")],
                pip_requirements=[f"{name}=={importlib.metadata.version(name)}" for name in REQUIREMENTS],
                signature=mlflow_signature(Signature.load(signature)),
                input_example=example,
            )
        for bytecode in list(folder.rglob("__pycache__")):
            shutil.rmtree(bytecode)

    def register(self, name: str, folder: Path, *, tags: Mapping[str, str], description: str) -> Version:
        """Logs a packaged model with the run and makes it the next version of a registered model.

        Args:
            name: Registered model; created when it is new.
            folder: What `package` wrote.
            tags: Facts for the version.
            description: What a reader of the version should know first.
        """
        with self._store.turn():
            return self._register(name, folder, tags, description)

    def _register(self, name: str, folder: Path, tags: Mapping[str, str], description: str) -> Version:
        run = self._client.get_run(self.run_id)
        logged = self._client.create_logged_model(
            run.info.experiment_id, name=name, source_run_id=self.run_id, params=run.data.params
        )
        self._client.log_model_artifacts(logged.model_id, str(folder))
        self._client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
        self._client.log_outputs(self.run_id, [LoggedModelOutput(logged.model_id, step=0)])
        try:
            self._client.get_registered_model(name)
        except MlflowException:
            self._client.create_registered_model(name)
        created = self._client.create_model_version(
            name,
            source=logged.artifact_location,
            run_id=self.run_id,
            tags={**tags, KEY: self._key, MODEL: logged.model_id} if self._key else dict(tags),
            description=description,
            model_id=logged.model_id,
        )
        self._link(logged.model_id, name, str(created.version))
        return Version(name, str(created.version), tags)

    def left_behind(self, name: str) -> Version | None:
        """Returns the version that a process registered of this very result before it was killed, and takes it over."""
        if self._key is None:
            return None
        for found in self._client.search_model_versions(f"name = '{name}' AND tags.`{KEY}` = '{self._key}'"):
            if self._client.get_run(found.run_id).info.status in ("KILLED", "FAILED"):
                with self._store.turn():
                    self._client.log_outputs(self.run_id, [LoggedModelOutput(found.tags[MODEL], step=0)])
                    self._link(found.tags[MODEL], name, str(found.version))
                return Version(name, str(found.version), dict(found.tags))
        return None

    def _link(self, model_id: str, name: str, version: str) -> None:
        """Writes on the logged model what the UI shows on the run's page: as which version it is registered."""
        versions = json.dumps([{"name": name, "version": version}])
        self._client.set_logged_model_tags(model_id, {MLFLOW_MODEL_VERSIONS: versions})

    def champion(self, name: str) -> Version | None:
        """Returns the version that the alias `champion` points to; None if there is none."""
        try:
            found = self._client.get_model_version_by_alias(name, CHAMPION)
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise
        return Version(name, str(found.version), dict(found.tags))

    def predictions(self, version: Version) -> TestPredictions | None:
        """Reads what a version answered on its test examples; None if its run does not have it any more."""
        run_id = self._client.get_model_version(version.name, version.version).run_id
        with tempfile.TemporaryDirectory() as folder:
            try:
                return TestPredictions.read(Path(self._client.download_artifacts(run_id, PREDICTIONS, folder)))
            except (MlflowException, OSError, UserError):
                return None

    def promote(self, version: Version) -> None:
        """Lets the alias `champion` point to a version."""
        with self._store.turn():
            self._client.set_registered_model_alias(version.name, CHAMPION, version.version)


def has_version(store: Store, name: str, version: str) -> bool:
    """Says whether a version of a registered model is still there."""
    return any(str(found.version) == version for found in store.client.search_model_versions(f"name = '{name}'"))


def find_model(store: Store, model: str) -> str:
    """Finds where the files of a model lie.

    Args:
        store: The MLflow store.
        model: `models:/name@alias`, `models:/name/version`, a registered name (its champion, else its latest version),
            or the id of a run.

    Returns:
        The URI of its artifacts.

    Raises:
        UserError: If there is no such model.
    """
    if match := MODEL_URI.fullmatch(model):
        return _find_version(store, match["name"], alias=match["alias"], version=match["version"])
    registered = {found.name: found for found in store.client.search_registered_models()}
    if model in registered:
        version = registered[model].aliases.get(CHAMPION) or _latest_version(store, model)
        return _find_version(store, model, alias=None, version=str(version))
    location = _model_of_run(store, model)
    if location is None:
        raise UserError(
            f"{model}: expected a registered model, models:/NAME@ALIAS, models:/NAME/VERSION, or the id of a run"
            f"{nearest(model, registered) or '.'} Registered: {', '.join(registered) or 'none yet'}"
        )
    return location


def _find_version(store: Store, name: str, *, alias: str | None, version: str | None) -> str:
    try:
        if alias:
            version = store.client.get_model_version_by_alias(name, alias).version
        return str(store.client.get_model_version_download_uri(name, str(version)))
    except MlflowException as error:
        raise UserError(
            f"models:/{name}: expected a version of a registered model. Received: {error.message}"
        ) from error


def _latest_version(store: Store, name: str) -> int:
    return max(int(found.version) for found in store.client.search_model_versions(f"name = '{name}'"))


def _model_of_run(store: Store, run_id: str) -> str | None:
    """Where the last model that a run logged lies; None if there is no such run, or it logged none."""
    try:
        outputs = store.client.get_run(stored_id(store, run_id)).outputs
    except MlflowException:
        return None
    if not outputs or not outputs.model_outputs:
        return None
    return str(store.client.get_logged_model(outputs.model_outputs[-1].model_id).artifact_location)


@contextlib.contextmanager
def fetched(store: Store, uri: str) -> Iterator[Path]:
    """Lends a local copy of a model's files.

    Args:
        store: The MLflow store.
        uri: What `find_model` found.
    """
    with tempfile.TemporaryDirectory() as folder:
        yield Path(mlflow.artifacts.download_artifacts(uri, dst_path=folder, tracking_uri=store.uri))


def mlflow_signature(signature: Signature) -> ModelSignature:
    """Describes raw input and answers in MLflow's types."""
    if signature.kind == "table":
        inputs = [ColSpec(COLUMN_TYPES[column.type], column.name) for column in signature.columns]
    else:
        inputs = [ColSpec(DataType.binary if signature.kind == "image" else DataType.string, signature.kind)]
    return ModelSignature(Schema(inputs), Schema(_answer_columns(signature)))


def _answer_columns(signature: Signature) -> list[ColSpec]:
    if signature.task == "regression":
        one = len(signature.label) == 1
        return [ColSpec(DataType.float if one else Array(DataType.float), "prediction")]
    each = [ColSpec(DataType.float, f"probability_{name}") for name in signature.classes]
    if signature.task == "multilabel":
        return [ColSpec(Array(DataType.string), "prediction"), *each]
    return [ColSpec(DataType.string, "prediction"), ColSpec(DataType.float, "probability"), *each]
