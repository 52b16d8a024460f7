"""Groups of test examples that a model may be good or bad at: by class, by column, by length, by brightness."""

import io
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from PIL import Image

from pipeline.manifest import LABEL
from pipeline.serving.raw import numbers
from pipeline.serving.signature import Signature

NUM_RANGES = 4
"""Parts that numbers are cut into, of equal size."""

MAX_CATEGORIES = 20
"""Values of a column that are groups of their own, the most frequent; the rest is one."""

MAX_COLUMNS = 50
"""Columns of a table that are looked at, the first ones: with more, the correction for their number hides all."""

REST, MISSING = "others", "missing"


def group_examples(examples: pa.Table, signature: Signature) -> pd.DataFrame:
    """Says which group each example is of.

    Args:
        examples: Raw test examples.
        signature: Kind of data, task, classes and columns.

    Returns:
        A column a kind of group, a row an example, groups in words: `class`, for several labels `label <name>`, or
        `value` (a range); of images `brightness`, of texts `words`, of tables each column.
    """
    kinds = {"image": _of_images, "text": _of_texts, "table": _of_rows}
    labels, contents = _of_labels(examples, signature), kinds[signature.kind](examples, signature)
    groups = pd.DataFrame({**labels, **contents, **labels})  # a column named `class` yields to the label
    return groups.loc[:, groups.nunique() > 1]


def _of_labels(examples: pa.Table, signature: Signature) -> dict[str, list[str]]:
    labels = examples.column(LABEL)
    if signature.task in ("binary", "multiclass"):
        return {"class": [signature.classes[label] for label in labels.to_pylist()]}
    if signature.task == "multilabel":
        columns = np.stack(labels.to_numpy(zero_copy_only=False)).T[:MAX_COLUMNS] > 0
        names = [f"label {name}" for name in signature.classes]
        return {name: np.where(has, "yes", "no").tolist() for name, has in zip(names, columns, strict=False)}
    if signature.task == "regression" and not pa.types.is_list(labels.type):
        return {"value": ranges(labels.to_numpy())}
    return {}


def _of_images(examples: pa.Table, _: Signature) -> dict[str, list[str]]:
    brightness = [_brightness(image.as_py()) for image in examples.column("image")]
    return {"brightness": ranges(np.array(brightness))}


def _brightness(encoded: bytes) -> float:
    """Mean luma in [0, 1]."""
    return float(np.asarray(Image.open(io.BytesIO(encoded)).convert("L")).mean()) / 255


def _of_texts(examples: pa.Table, _: Signature) -> dict[str, list[str]]:
    return {"words": ranges(np.array([len(text.split()) for text in examples.column("text").to_pylist()]))}


def _of_rows(examples: pa.Table, signature: Signature) -> dict[str, list[str]]:
    groups = {}
    for column in signature.columns[:MAX_COLUMNS]:
        if column.type == "number":
            groups[column.name] = ranges(numbers(examples, column).astype(float))
        elif column.type in ("category", "boolean"):
            groups[column.name] = _categories(examples.column(column.name).to_pandas())
    return groups


def ranges(values: np.ndarray) -> list[str]:
    """Cuts numbers into ranges that hold equally many; a value is always in one range.

    Args:
        values: (num_examples,), NaN for missing.
    """
    known = values[np.isfinite(values)]
    edges = np.unique(np.quantile(known, np.arange(1, NUM_RANGES) / NUM_RANGES)) if len(known) else np.array([])
    parts = np.searchsorted(edges, values, side="right")
    names = _range_names([f"{edge:.3g}" for edge in edges])
    return [names[part] if np.isfinite(value) else MISSING for part, value in zip(parts, values, strict=True)]


def _range_names(edges: Sequence[str]) -> list[str]:
    if not edges:
        return ["all"]
    middle = [f"{low} to {high}" for low, high in pairwise(edges)]
    return [f"below {edges[0]}", *middle, f"{edges[-1]} or more"]


def _categories(values: "pd.Series[Any]") -> list[str]:
    frequent = set(values.value_counts().index[:MAX_CATEGORIES])
    return [MISSING if pd.isna(value) else str(value) if value in frequent else REST for value in values]
