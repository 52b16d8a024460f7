"""What explains the figures of an evaluation: pictures and tables of the test set, by task."""

import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from PIL import Image
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from pipeline import figures
from pipeline.comparison.predictions import label_in_words
from pipeline.manifest import ID, LABEL
from pipeline.metrics import Predicted
from pipeline.pages import thumbnail
from pipeline.serving.signature import Signature

MAX_CONFUSION_CLASSES = 50

IMAGE_SIDE = 96
"""Largest height and width of an image that is shown small, in pixels."""

SIZE = "confidence or distance"
"""Column: how sure the network was of a wrong class, or how far off a value was."""


def write_report(
    artifacts: Path, test: Predicted, examples: pa.Table, signature: Signature, *, errors_shown: int
) -> None:
    """Draws and tabulates what a reader asks next.

    Writes for classes `confusion.png`; for classes and labels `per_class.csv`, `per_class.png`,
    `roc_pr.png` (ROC and precision-recall); for values `residuals.png`; and the worst mistakes: of
    images `errors.png` and `errors.json` (the images in it, for the run's report), of others `errors.csv`.

    Args:
        artifacts: Folder to write into.
        test: Labels and outputs of the test examples.
        examples: The raw test examples, in the same order.
        signature: Kind of data, task and names of the classes.
        errors_shown: How many of the worst mistakes to show; 0: no such file.
    """
    names = list(signature.classes)
    if test.task == "regression":
        figures.residuals(test, list(signature.label), artifacts / "residuals.png")
    else:
        table = per_class(test, names)
        table.to_csv(artifacts / "per_class.csv", index=False)
        figures.per_class(table, artifacts / "per_class.png")
        figures.ranking_curves(test, names, artifacts / "roc_pr.png")
    if test.task in ("binary", "multiclass") and len(names) <= MAX_CONFUSION_CLASSES:
        matrix = confusion_matrix(test.labels, test.predictions, labels=range(len(names)))
        figures.confusion(matrix, names, artifacts / "confusion.png")
    mistakes = worst_mistakes(test, names)[:errors_shown]
    if mistakes and signature.kind == "image":
        images = [Image.open(io.BytesIO(examples.column("image")[mistake.row].as_py())) for mistake in mistakes]
        figures.captioned_images(images, [str(mistake) for mistake in mistakes], artifacts / "errors.png")
        (artifacts / "errors.json").write_text(json.dumps(_pictured(mistakes, examples), ensure_ascii=False), "utf-8")
    elif mistakes:
        _mistakes_table(mistakes, examples).to_csv(artifacts / "errors.csv", index=False)


@dataclass(frozen=True)
class Mistake:
    """A test example that the network got wrong."""

    row: int
    """Row of the example in the test set."""
    label: str
    prediction: str
    size: float
    """Probability given to the wrong answer; regression: distance from the label, summed over values."""

    def __str__(self) -> str:
        return f"{self.label}, taken for\n{self.prediction} ({self.size:.2g})"


def worst_mistakes(test: Predicted, names: list[str]) -> list[Mistake]:
    """Lists the wrong predictions, those made with most confidence first; of values, all, the farthest first.

    Args:
        test: Labels and outputs of the test examples.
        names: Names of the classes or labels; empty for values.
    """
    if test.task == "regression":
        sizes = np.abs(test.predictions - test.labels).reshape(len(test.labels), -1).sum(axis=1)
        wrong = np.ones(len(sizes), dtype=bool)
    elif test.task == "multilabel":
        sizes = np.abs(test.probabilities - test.labels).max(axis=1)
        wrong = (test.predictions != test.labels).any(axis=1)
    else:
        sizes = test.probabilities.max(axis=1)
        wrong = test.predictions != test.labels
    rows = np.flatnonzero(wrong)
    worst = rows[np.argsort(-sizes[rows], kind="stable")]
    return [
        Mistake(
            int(row),
            label_in_words(test.labels[row], names),
            label_in_words(test.predictions[row], names),
            float(sizes[row]),
        )
        for row in worst
    ]


def per_class(test: Predicted, names: list[str]) -> pd.DataFrame:
    """Tabulates precision, recall and F1 of each class or label, with its number of examples."""
    scores = precision_recall_fscore_support(test.labels, test.predictions, labels=range(len(names)), zero_division=0)
    columns = dict(zip(("precision", "recall", "f1", "examples"), scores, strict=True))
    return pd.DataFrame({"class": names, **columns})


def _pictured(mistakes: list[Mistake], examples: pa.Table) -> list[dict[str, str]]:
    """The same as `_mistakes_table` says of others, with small images."""
    return [
        {
            "id": examples.column(ID)[mistake.row].as_py(),
            "label": mistake.label,
            "prediction": mistake.prediction,
            SIZE: f"{mistake.size:.3g}",
            "image": thumbnail(examples.column("image")[mistake.row].as_py(), IMAGE_SIDE),
        }
        for mistake in mistakes
    ]


def _mistakes_table(mistakes: list[Mistake], examples: pa.Table) -> pd.DataFrame:
    features = examples.drop_columns([ID, LABEL]).take([mistake.row for mistake in mistakes]).to_pandas()
    columns = {
        "label": [mistake.label for mistake in mistakes],
        "prediction": [mistake.prediction for mistake in mistakes],
        SIZE: [mistake.size for mistake in mistakes],
    }
    table: pd.DataFrame = pd.concat([pd.DataFrame(columns), features], axis=1)
    return table
