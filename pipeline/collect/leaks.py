"""Columns of a table that give the label away: on its own each tells it nearly without an error."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.spec import Task
from pipeline.collect.checks import Finding
from pipeline.examples import Examples
from pipeline.manifest import LABEL, SPLIT
from pipeline.serving.description import Column

MIN_SCORE = 0.98
"""A column is named from here on: shares of the errors of the most frequent class, or of the variance of values, that
it takes away on validation. The predictive power score (Wetschoreck, Krabel and Krishnamurthy 2020,
https://github.com/8080labs/ppscore) asks the same of one column; Deepchecks' `FeatureLabelCorrelation`
names columns from 0.8 on. The best honest columns of breast_cancer and iris took 0.63 to 0.78 and
0.92 to 0.95 away over five splits."""

MAX_ROWS = 20_000
"""Training rows that are looked at, the first ones."""

MIN_ERRORS = 10
"""Errors of the most frequent class on validation below which nothing can be told."""

MAX_LEAVES = 64
"""Of the tree on one column: as many steps may a label have in it."""


def find_leaky_columns(development: Examples, columns: tuple[Column, ...], task: Task) -> Iterator[Finding]:
    """Finds columns that tell the label alone: a decision tree on one column, fitted on train, scored on validation.

    Args:
        development: Train and validation; the test split is not looked at.
        columns: Of the table; none: nothing is done.
        task: What is learnt.
    """
    if not columns:
        return
    labels = np.array(development.column(LABEL).to_pylist())
    splits = np.array(development.column(SPLIT).to_pylist())
    train, validation = np.flatnonzero(splits == "train")[:MAX_ROWS], np.flatnonzero(splits == "validation")
    targets = list(labels.T) if labels.ndim == 2 else [labels]
    found = {}
    for column in columns:
        values = development.column(column.name)
        score = max(_score(column, values, target, train, validation, task) for target in targets)
        if score >= MIN_SCORE:
            found[column.name] = score
    if found:
        named = ", ".join(f"{name} ({100 * score:.3g} %)" for name, score in list(found.items())[:10])
        more = f" and {len(found) - 10} more" if len(found) > 10 else ""
        yield Finding(
            "leaky_columns",
            len(found),
            f"columns {named}{more} tell the label alone: so much of the error of a constant answer is gone. "
            "What is not known yet when the model is asked belongs into `data.ignore`",
        )


def _score(
    column: Column, values: pa.ChunkedArray, target: np.ndarray, train: np.ndarray, validation: np.ndarray, task: Task
) -> float:
    """Share of the error of a constant answer that the column takes away on validation."""
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    given = _ordered(values, target, train) if column.type == "category" else _numbers(values)
    inputs = given[:, None]
    if task == "regression":
        fitted = DecisionTreeRegressor(max_leaf_nodes=MAX_LEAVES, random_state=0).fit(inputs[train], target[train])
        variance = float(np.var(target[validation]))
        return 1 - float(np.mean((fitted.predict(inputs[validation]) - target[validation]) ** 2)) / variance
    classes = target.astype(int)
    errors = int((classes[validation] != np.bincount(classes[train]).argmax()).sum())
    if errors < MIN_ERRORS:
        return 0.0
    fitted = DecisionTreeClassifier(max_leaf_nodes=MAX_LEAVES, random_state=0).fit(inputs[train], classes[train])
    return 1 - int((fitted.predict(inputs[validation]) != classes[validation]).sum()) / errors


def _numbers(values: pa.ChunkedArray) -> np.ndarray:
    """Numbers, booleans and dates as float32, NaN for missing, which the tree can split by."""
    if pa.types.is_temporal(values.type):
        values = pc.cast(values, pa.timestamp("s")).cast(pa.int64())
    return np.asarray(pc.cast(values, pa.float64()).to_numpy(zero_copy_only=False), np.float32)


def _ordered(values: pa.ChunkedArray, target: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Categories by the mean label that they have in train, so that a tree parts them in few steps; new ones as -1."""
    texts = np.array(["" if value is None else str(value) for value in values.to_pylist()])
    known, places = np.unique(texts[train], return_inverse=True)
    means = np.bincount(places, weights=target[train]) / np.bincount(places)
    found = np.minimum(np.searchsorted(known, texts), len(known) - 1)
    ranks = np.argsort(np.argsort(means, kind="stable"), kind="stable")
    return np.where(known[found] == texts, ranks[found], -1).astype(np.float32)
