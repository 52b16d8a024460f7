"""Columns of a table that are the label in other words."""

from typing import Any

import numpy as np

NUM_EXAMPLES = 4096
"""Looked at, of the first ones."""

MIN_EXAMPLES = 50
"""Examples below which a column may fit the label by chance."""

MIN_OF_CLASS = 5
"""Examples of the rarest class that is there, likewise."""

MIN_CORRELATION = 1 - 1e-6
"""Absolute correlation with a value above which a column is that value, shifted and scaled."""


def telling_columns(columns: np.ndarray, labels: Any) -> list[int]:
    """Finds columns each of whose values goes with one class alone, or that are a value shifted and scaled.

    A column that merely separates classes well has many values; one that is the label has about as many as there are
    classes.

    Args:
        columns: `(n, columns)`; arrays of other shapes have none.
        labels: Class indices `(n,)` or `(n, 1)`, one-hot `(n, classes)`, or values `(n,)`; none are told by others.

    Returns:
        Their places.
    """
    y = np.asarray(labels)[:NUM_EXAMPLES] if not isinstance(labels, dict | list | tuple) else np.zeros(0)
    if columns.ndim != 2 or columns.shape[1] < 2 or y.ndim > 2 or len(y) < MIN_EXAMPLES:
        return []
    rows = columns[:NUM_EXAMPLES]
    if y.ndim == 2:
        if y.shape[1] > 1 and not np.allclose(y.sum(axis=1), 1):
            return []
        y = y.argmax(axis=1) if y.shape[1] > 1 else y[:, 0]
    classes, y = np.unique(y, return_inverse=True)
    if len(classes) > len(y) // MIN_OF_CLASS:
        return _linear(rows, classes[y])
    if np.bincount(y).min() < MIN_OF_CLASS:
        return []
    return [place for place in range(rows.shape[1]) if _is_code(rows[:, place], y, len(classes))]


def _is_code(column: np.ndarray, y: np.ndarray, num_classes: int) -> bool:
    values, places = np.unique(column, return_inverse=True)
    if not num_classes <= len(values) <= num_classes + 1:
        return False
    pairs = np.unique(places * num_classes + y)
    return len(pairs) == len(values)


def _linear(rows: np.ndarray, y: np.ndarray) -> list[int]:
    if not np.issubdtype(rows.dtype, np.number) or not np.issubdtype(y.dtype, np.number):
        return []
    x = rows.astype("float64") - rows.mean(axis=0)
    z = y - y.mean()
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = np.abs(x.T @ z / np.sqrt((x**2).sum(axis=0) * (z**2).sum()))
    return np.flatnonzero(np.nan_to_num(correlation) >= MIN_CORRELATION).tolist()
