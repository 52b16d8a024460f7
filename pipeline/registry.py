"""The MLflow model registry: packages, versions, the alias `champion`. Beside `tracking`, only this imports mlflow."""

import contextlib
import importlib.metadata
import tempfile
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

from pipeline.errors import UserError
from pipeline.gate import Version
from pipeline.recipe.errors import nearest
from pipeline.serving.signature import Signature
from pipeline.tracking import Store

CHAMPION = "champion"
"""Alias of the version that serves."""

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
    """

    def __init__(self, store: Store, run_id: str):
        self._client = store.client
        self._run_id = run_id

    def package(self, folder: Path, *, model: Path, signature: Path, example: pd.DataFrame) -> None:
        """Writes an MLflow model that takes raw input and brings its own code.

        Args:
            folder: Where to; must not exist.
            model: Keras file, raw tensors -> outputs.
            signature: What `Signature.save` wrote.
            example: A few raw examples.
        """
        packages = Path(__file__).parent.parent
        mlflow.pyfunc.save_model(
            folder,
            python_model=str(packages / "pipeline" / "serving" / "pyfunc.py"),
            artifacts={"model": str(model), "signature": str(signature)},
            code_paths=[str(packages / "pipeline"), str(packages / "models")],
            pip_requirements=[f"{name}=={importlib.metadata.version(name)}" for name in REQUIREMENTS],
            signature=mlflow_signature(Signature.load(signature)),
            input_example=example,
        )

    def register(self, name: str, folder: Path, *, tags: Mapping[str, str], description: str) -> Version:
        """Logs a packaged model with the run and makes it the next version of a registered model.

        Args:
            name: Registered model; created when it is new.
            folder: What `package` wrote.
            tags: Facts for the version.
            description: What a reader of the version should know first.
        """
        run = self._client.get_run(self._run_id)
        logged = self._client.create_logged_model(
            run.info.experiment_id, name=name, source_run_id=self._run_id, params=run.data.params
        )
        self._client.log_model_artifacts(logged.model_id, str(folder))
        self._client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
        self._client.log_outputs(self._run_id, [LoggedModelOutput(logged.model_id, step=0)])
        try:
            self._client.get_registered_model(name)
        except MlflowException:
            self._client.create_registered_model(name)
        created = self._client.create_model_version(
            name,
            source=logged.model_uri,
            run_id=self._run_id,
            tags=dict(tags),
            description=description,
            model_id=logged.model_id,
        )
        return Version(name, str(created.version), dict(tags))

    def champion(self, name: str) -> Version | None:
        """Returns the version that the alias `champion` points to; None if there is none."""
        try:
            found = self._client.get_model_version_by_alias(name, CHAMPION)
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise
        return Version(name, str(found.version), dict(found.tags))

    def promote(self, version: Version) -> None:
        """Lets the alias `champion` point to a version."""
        self._client.set_registered_model_alias(version.name, CHAMPION, version.version)


def find_model(store: Store, model: str) -> str:
    """Resolves what a user calls a model.

    Args:
        store: The MLflow store.
        model: `models:/name@alias`, `models:/name/version`, a registered name, or the id of a run.

    Returns:
        An MLflow model URI; of a name, the champion's, else the latest version's.

    Raises:
        UserError: If there is no such model.
    """
    if model.startswith("models:/"):
        return model
    registered = {found.name: found for found in store.client.search_registered_models()}
    if model in registered:
        if CHAMPION in registered[model].aliases:
            return f"models:/{model}@{CHAMPION}"
        versions = store.client.search_model_versions(f"name = '{model}'")
        return f"models:/{model}/{max(int(found.version) for found in versions)}"
    outputs = _model_outputs(store, model)
    if outputs:
        return f"models:/{outputs[-1].model_id}"
    raise UserError(
        f"{model}: expected a registered model, models:/NAME@ALIAS, models:/NAME/VERSION, or the id of a run"
        f"{nearest(model, registered)}. Registered: {', '.join(registered) or 'none yet'}"
    )


def _model_outputs(store: Store, run_id: str) -> list[LoggedModelOutput]:
    """Models that a run logged; none if there is no such run."""
    with contextlib.suppress(MlflowException):
        outputs = store.client.get_run(run_id).outputs
        return outputs.model_outputs if outputs else []
    return []


@contextlib.contextmanager
def local_model(store: Store, uri: str) -> Iterator[Path]:
    """Lends the folder of an MLflow model, fetched from where its artifacts lie.

    Raises:
        UserError: If the model cannot be had.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            fetched = mlflow.artifacts.download_artifacts(uri, dst_path=folder, tracking_uri=store.uri)
        except MlflowException as error:
            raise UserError(f"{uri}: expected a model in {store.uri}. Received: {error.message}") from error
        yield Path(fetched)


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
