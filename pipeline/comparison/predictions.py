"""What a model answered on the test examples, as a file that says by itself what it is of."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.errors import UserError
from pipeline.metrics import Predicted
from pipeline.serving.answers import probabilities

FILE = "predictions.parquet"

GROUP = "group: "
"""Beginning of the columns that say which group an example is of."""


@dataclass(frozen=True)
class TestPredictions:
    """Labels and answers of all test examples."""

    __test__ = False  # Not a test of pytest's.

    ids: tuple[str, ...]
    """Content hash of each example."""
    predicted: Predicted
    classes: tuple[str, ...]
    """Names of the classes or labels; none for values."""
    metrics: tuple[str, ...]
    """What the model was measured by; the first is the one that champions are compared by."""
    groups: pd.DataFrame
    """A column a kind of group (class, brightness, a column of the table), the group of each example in words."""

    @property
    def fingerprint(self) -> str:
        """Names the set of examples with their labels; see `fingerprint`."""
        return fingerprint(self.ids, self.predicted.labels)

    def ordered(self) -> "TestPredictions":
        """The same in the order of the ids, in which models of one test set can be compared."""
        order = np.argsort(np.array(self.ids), kind="stable")
        return self.take(order)

    def take(self, rows: np.ndarray) -> "TestPredictions":
        """Some of the examples.

        Args:
            rows: Indices, in the order wanted.
        """
        of = Predicted(self.predicted.task, self.predicted.labels[rows], self.predicted.outputs[rows])
        ids = tuple(self.ids[row] for row in rows)
        return TestPredictions(ids, of, self.classes, self.metrics, self.groups.iloc[rows].reset_index(drop=True))

    def write(self, path: Path) -> None:
        """Writes columns `id`, `label`, `prediction`, `probability_<k>` of each class, and `group: <kind>`."""
        of = self.predicted
        frame = pd.DataFrame({"id": self.ids, "label": list(of.labels), "prediction": list(of.predictions)})
        if of.task != "regression":
            columns = probabilities(of.outputs, of.task)
            frame = frame.assign(**{f"probability_{k}": columns[:, k] for k in range(columns.shape[1])})
        frame = pd.concat([frame, self.groups.add_prefix(GROUP)], axis=1)
        frame.attrs = {"task": of.task, "classes": list(self.classes), "metrics": list(self.metrics)}
        frame.to_parquet(path, index=False)

    @staticmethod
    def read(path: Path) -> "TestPredictions":
        """Reads what `write` wrote.

        Raises:
            UserError: If the file was written before it said what it is of.
        """
        frame = pd.read_parquet(path)
        if "task" not in frame.attrs:
            raise UserError(f"{path.name}: expected predictions with their task. Run the recipe again to write them")
        task = frame.attrs["task"]
        labels = np.stack(frame["label"].tolist()) if task in ("multilabel", "regression") else frame["label"]
        groups = frame.filter(regex=f"^{GROUP}")
        return TestPredictions(
            tuple(frame["id"]),
            Predicted(task, np.asarray(labels), _outputs(frame, task)),
            tuple(frame.attrs["classes"]),
            tuple(frame.attrs["metrics"]),
            groups.rename(columns=lambda name: name.removeprefix(GROUP)),
        )


def _outputs(frame: pd.DataFrame, task: str) -> np.ndarray:
    if task == "regression":
        values = np.stack(frame["prediction"].tolist())
        return values.reshape(len(values), -1)
    columns = np.asarray(frame.filter(regex="^probability_"))
    return columns[:, 1:] if task == "binary" else columns


def label_in_words(value: Any, names: Sequence[str]) -> str:
    """A label or an answer as a reader would say it.

    Args:
        value: Class index, 0/1 labels or values.
        names: Of the classes or labels; none for values.
    """
    if not names:
        return ", ".join(f"{number:.4g}" for number in np.atleast_1d(value))
    if np.ndim(value):
        return ", ".join(name for name, given in zip(names, value, strict=True) if given) or "none"
    return names[int(value)]


def fingerprint(ids: Iterable[str], labels: np.ndarray) -> str:
    """Names a set of test examples with their labels: two models are comparable only on the same one.

    Args:
        ids: Content hash of each example.
        labels: (num_examples,) or (num_examples, num_labels).
    """
    lines = sorted(f"{id_}\t{label}" for id_, label in zip(ids, labels.tolist(), strict=True))
    return hashlib.blake2b("\n".join(lines).encode(), digest_size=16).hexdigest()
