"""From labels as the source gives them to a task, class names, and numbers to learn."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.spec import Task
from pipeline.collect.source import Source
from pipeline.errors import UserError
from pipeline.recipe.data import Task as AskedTask

MAX_INTEGER_CLASSES = 20
"""Up to so many distinct integers are classes; more are classes only if they count 0, 1, 2, … without a gap and each
has `MIN_EXAMPLES` examples, else values."""
MIN_EXAMPLES = 10


@dataclass(frozen=True)
class Labels:
    """What is learnt."""

    task: Task
    classes: tuple[str, ...]
    """Class names by index, label names of a multi-label task, empty for regression."""
    values: np.ndarray
    """int32 (n,) class indices; float32 (n,) values; float32 (n, labels) multi-hot."""
    reason: str
    """Why the task is this one, for the user."""

    def to_arrow(self, rows: slice) -> pa.Array:
        """Labels of some rows as the store keeps them: int32, float32, or list<float32>."""
        values = self.values[rows]
        if values.ndim == 1:
            return pa.array(values)
        offsets = np.arange(len(values) + 1, dtype=np.int32) * values.shape[1]
        return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values.ravel()))

    def per_class(self, rows: np.ndarray) -> np.ndarray:
        """int64 (classes,): how many of `rows` (a mask) belong to each class; empty for regression."""
        values = self.values[rows]
        if values.ndim == 2:
            return np.asarray(values.sum(axis=0), np.int64)
        return np.bincount(values, minlength=len(self.classes)) if self.classes else np.empty(0, np.int64)


def infer_labels(source: Source, values: pa.ChunkedArray, asked: AskedTask, origin: Callable[[int], str]) -> Labels:
    """Finds the task, the classes, and each example's label.

    Lists are multi-label; texts and booleans are classes; numbers with fractions are regression; integers are classes
    when they are few (see `MAX_INTEGER_CLASSES`).

    Args:
        source: Where the labels come from; its `classes` name indices.
        values: The labels as the source gave them.
        asked: The recipe's `data.task`.
        origin: Row to its name, for messages.

    Raises:
        UserError: If a label is missing, all are the same, or they do not fit the task asked for.
    """
    _refuse_missing(source, values, origin)
    if pa.types.is_list(values.type):
        labels = _lists(source, values)
    elif source.classes:
        labels = _indices(source, values)
    elif _is_number(values.type):
        labels = _numbers(values, asked)
    else:
        labels = _texts(values)
    labels = _as_asked(labels, asked, _name(source))
    _refuse_single(labels, _name(source))
    return labels


def _name(source: Source) -> str:
    return ", ".join(source.label)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _refuse_missing(source: Source, values: pa.ChunkedArray, origin: Callable[[int], str]) -> None:
    missing = np.flatnonzero(pc.is_null(values, nan_is_null=True).to_numpy(zero_copy_only=False))
    if len(missing):
        shown = ", ".join(origin(int(row)) for row in missing[:5])
        raise UserError(
            f"data.label: {_name(source)}: {len(missing):,} of {len(values):,} examples have no label ({shown}"
            f"{', …' if len(missing) > 5 else ''}). Every example needs one: fill in or remove these rows."
        )


def _refuse_single(labels: Labels, name: str) -> None:
    if labels.task == "regression":
        distinct = np.unique(labels.values)
        shown = f"{distinct[0]:g}" if len(distinct) else "none"
    elif labels.task == "multilabel":
        return
    else:
        distinct = np.unique(labels.values)
        shown = labels.classes[int(distinct[0])] if len(distinct) else "none"
    if len(distinct) < 2:
        raise UserError(
            f"data.label: {name}: expected at least two different labels. Received: only {shown}, in all "
            f"{len(labels.values):,} examples. There is nothing to tell apart: is it the right label?"
        )


def _classification(classes: tuple[str, ...], indices: np.ndarray, reason: str) -> Labels:
    return Labels("binary" if len(classes) == 2 else "multiclass", classes, indices.astype(np.int32), reason)


def _lists(source: Source, values: pa.ChunkedArray) -> Labels:
    if source.classes:
        flat = values.combine_chunks().flatten().to_numpy(zero_copy_only=False)
        hot = flat.reshape(len(values), len(source.classes)).astype(np.float32)
        return Labels("multilabel", source.classes, hot, f"{len(source.classes)} labels of 0 or 1")
    tags = values.to_pylist()
    classes = tuple(sorted({tag for row in tags for tag in row}))
    index = {name: place for place, name in enumerate(classes)}
    hot = np.zeros((len(tags), len(classes)), np.float32)
    for row, names in enumerate(tags):
        hot[row, [index[name] for name in names]] = 1
    return Labels("multilabel", classes, hot, f"lists of labels, {len(classes)} different ones")


def _indices(source: Source, values: pa.ChunkedArray) -> Labels:
    reason = f"the source names {len(source.classes)} classes"
    return _classification(source.classes, values.to_numpy(), reason)


def _texts(values: pa.ChunkedArray) -> Labels:
    encoded = pc.unique(values).to_pylist()
    classes = tuple(sorted(str(value).lower() if isinstance(value, bool) else str(value) for value in encoded))
    index = {name: place for place, name in enumerate(classes)}
    texts = pc.cast(values, pa.string()).to_pylist()
    return _classification(classes, np.array([index[text] for text in texts]), f"{len(classes)} different labels")


def _numbers(values: pa.ChunkedArray, asked: AskedTask) -> Labels:
    numbers = pc.cast(values, pa.float64()).to_numpy()
    distinct, indices, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    integral = bool(np.all(distinct == np.rint(distinct)))
    if asked == "regression" or (asked == "auto" and not (integral and _few(distinct, counts))):
        kind = "integers" if integral else "numbers"
        return Labels("regression", (), numbers.astype(np.float32), f"{len(distinct):,} different {kind}")
    names = tuple(str(int(value)) if value == np.rint(value) else f"{value:g}" for value in distinct)
    return _classification(names, indices, f"{len(distinct)} different {'integers' if integral else 'numbers'}")


def _few(distinct: np.ndarray, counts: np.ndarray) -> bool:
    counting = bool(np.array_equal(distinct, np.arange(len(distinct))))
    return len(distinct) <= MAX_INTEGER_CLASSES or (counting and int(counts.min()) >= MIN_EXAMPLES)


def _as_asked(labels: Labels, asked: AskedTask, name: str) -> Labels:
    if asked in ("auto", labels.task):
        return labels
    if (labels.task, asked) == ("binary", "multiclass"):
        return Labels("multiclass", labels.classes, labels.values, labels.reason)
    raise UserError(
        f"data.task: expected labels for {asked}. Received: {name} with {labels.reason}, which is {labels.task}. "
        f"Set `data.task: {labels.task}` (or auto), or choose another label."
    )
