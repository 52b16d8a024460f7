"""Statistics of arrays that may be larger than memory."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.serving.raw import Array

CHUNK_VALUES = 2**20
"""Numbers that are converted to float64 at once, about."""


@dataclass(frozen=True)
class Statistics:
    """Statistics over all axes but the last one, float64 `(columns,)` each."""

    mean: Array
    variance: Array
    minimum: Array
    maximum: Array


def statistics(array: Array) -> Statistics:
    """Computes statistics in one pass over an array that may be larger than memory, in float64.

    Means and variances of chunks are merged as in Chan, Golub and LeVeque (1979), which stays accurate where the sum of
    squares does not.

    Args:
        array: `(n, ..., columns)`, n > 0, no NaN; memory-mapped or not.
    """
    count, mean, squares, minimum, maximum = 0, 0.0, 0.0, np.inf, -np.inf
    for chunk in _chunks(array):
        rows = np.asarray(chunk, dtype="float64").reshape(-1, chunk.shape[-1])
        total = count + len(rows)
        delta = rows.mean(axis=0) - mean
        squares = squares + ((rows - rows.mean(axis=0)) ** 2).sum(axis=0) + delta**2 * count * len(rows) / total
        mean = mean + delta * len(rows) / total
        minimum, maximum = np.minimum(minimum, rows.min(axis=0)), np.maximum(maximum, rows.max(axis=0))
        count = total
    return Statistics(np.asarray(mean), np.asarray(squares / count), np.asarray(minimum), np.asarray(maximum))


def _chunks(array: Array) -> Iterator[Array]:
    size = max(1, CHUNK_VALUES // max(1, array[0].size))
    return (array[start : start + size] for start in range(0, len(array), size))
