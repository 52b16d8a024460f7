"""The script that runs inside a served model: raw rows in, named answers out."""

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd

from pipeline.serving.answers import answers
from pipeline.serving.compose import load_model
from pipeline.serving.outputs import predictor
from pipeline.serving.raw import raw_tensors
from pipeline.serving.signature import Signature


class RawInputModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Takes raw examples as the columns of a table: `image` (bytes), `text`, or the columns of the training table."""

    def load_context(self, context: Any) -> None:
        """Loads the Keras model and its signature, once a process."""
        self._signature = Signature.load(Path(context.artifacts["signature"]))
        self._predict = predictor(load_model(Path(context.artifacts["model"])))

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:  # noqa: ARG002
        """Answers raw examples, one row each, in their order (`answers.py` says in which columns).

        Raises:
            RawInputError: If a column is missing, or a value is not of its column's type.
        """
        return answers(self._predict(raw_tensors(model_input, self._signature)), self._signature)


mlflow.models.set_model(RawInputModel())
