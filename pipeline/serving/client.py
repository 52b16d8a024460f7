"""Asks a logged model in a process of its own, as a client would: nothing of this process can help it.

The process finds the code that travels with the model, not the one installed here.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

REFUSED = 2
"""Exit code of the process when the model refused its input."""


class ServedModelError(RuntimeError):
    """A logged model could not be loaded, or broke down over its input."""


class InputRefusedError(ValueError):
    """A logged model refused its input; the message is the model's."""


def ask(model: Path, examples: pd.DataFrame) -> pd.DataFrame:
    """Loads an MLflow model in a fresh Python process and lets it answer.

    Args:
        model: Folder of the MLflow model.
        examples: Raw examples, one row each.

    Returns:
        What the model answered, one row each, in the same order.

    Raises:
        InputRefusedError: If the examples are not what the model takes.
        ServedModelError: If the process failed otherwise; the message ends with its traceback.
    """
    with tempfile.TemporaryDirectory() as folder:
        asked, answered = Path(folder, "asked.parquet"), Path(folder, "answered.parquet")
        examples.to_parquet(asked)
        # -I: neither the working directory nor PYTHONPATH lends the model a module. -B: no bytecode among its files.
        command = [sys.executable, "-IB", __file__, str(model.absolute()), str(asked), str(answered)]
        process = subprocess.run(command, capture_output=True, text=True, check=False)
        if process.returncode == REFUSED:
            raise InputRefusedError(process.stderr.strip().splitlines()[-1])
        if process.returncode:
            raise ServedModelError(f"The model in {model} did not answer:\n{process.stderr.strip()}")
        return pd.read_parquet(answered)


def answer(model: str, asked: str, answered: str) -> None:
    """Runs in the fresh process: reads examples, writes answers."""
    import mlflow

    loaded = mlflow.pyfunc.load_model(model)
    examples = pd.read_parquet(asked)
    # MLflow takes no int64 where the signature says double.
    integers = examples.select_dtypes("integer").columns
    doubles = {c.name for c in loaded.metadata.get_input_schema().inputs if c.type == mlflow.types.DataType.double}
    examples = examples.astype(dict.fromkeys(doubles.intersection(integers), "float64"))
    try:
        answers = loaded.predict(examples)
    except (ValueError, mlflow.MlflowException) as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        sys.exit(REFUSED)
    answers.to_parquet(answered)


if __name__ == "__main__":
    answer(*sys.argv[1:])
