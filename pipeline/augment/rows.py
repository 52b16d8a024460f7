"""Augmentation of rows of tables: `numbers` float32 (batch, n) and `categories` int32 (batch, m), either or both."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from pipeline.augment.fused import fused
from pipeline.augment.hashing import Draws
from pipeline.errors import UserError
from pipeline.recipe.augment import FeatureNoise, SwapNoise

Rows = dict[str, tf.Tensor]
Change = Callable[[Draws, Rows], Rows]

CHUNK = 65_536
"""Rows that are looked at together, so that a memory map is never in memory whole."""


def feature_noise(transform: FeatureNoise, arrays: dict[str, np.ndarray]) -> Change:
    """Adds to each number a normal one that has `stddev` of its column's standard deviation.

    Args:
        transform: With `stddev`.
        arrays: The training split, from which the standard deviations come.

    Raises:
        UserError: If there is no column of numbers that are not all 0 or 1.
    """
    scale = spread(arrays["numbers"]) if "numbers" in arrays else np.zeros(0)
    if not scale.any():
        raise UserError(
            "augment: `feature_noise` has no effect: the table has no column of numbers other than 0 and 1 that vary. "
            "Remove it, or use `swap_noise`"
        )
    stddev = tf.constant(transform.stddev * scale, tf.float32)

    @fused
    def noisy(draws: Draws, numbers: tf.Tensor) -> tf.Tensor:
        noise = stddev * draws.normal(1, (len(scale),))
        return numbers + tf.where(draws.chosen()[:, tf.newaxis], noise, 0.0)

    return lambda draws, rows: {**rows, "numbers": noisy(draws, rows["numbers"])}


def swap_noise(transform: SwapNoise, arrays: dict[str, np.ndarray]) -> Change:
    """Replaces values by those of other rows, which are drawn for each value from the whole training split.

    Args:
        transform: With `fraction`.
        arrays: The training split.
    """

    def swapped(draws: Draws, rows: Rows) -> Rows:
        return {name: _swapped(transform, draws, name, values, arrays[name]) for name, values in rows.items()}

    return swapped


def spread(numbers: np.ndarray) -> np.ndarray:
    """Standard deviation of each column, float64 (n,); 0 for columns of only 0 and 1, which are no measurements."""
    parts = np.array_split(numbers, -(-len(numbers) // CHUNK))
    mean = numbers.mean(axis=0, dtype=np.float64)
    variance = sum(np.square(part - mean).sum(axis=0) for part in parts) / len(numbers)
    is_flag = np.all([((part == 0) | (part == 1)).all(axis=0) for part in parts], axis=0)
    deviation: np.ndarray = np.where(is_flag, 0.0, np.sqrt(variance))
    return deviation


STREAMS = {"numbers": (1, 2), "categories": (3, 4)}
"""Streams of random numbers of each tensor: which values are replaced, and from which row."""


def _swapped(transform: SwapNoise, draws: Draws, name: str, values: tf.Tensor, stored: np.ndarray) -> tf.Tensor:
    which, whence = STREAMS[name]
    num_columns = values.shape[1]
    replaced = (draws.units(which, (num_columns,)) < transform.fraction) & draws.chosen()[:, tf.newaxis]
    donors = draws.integers(whence, (num_columns,), len(stored))

    def read(rows: np.ndarray) -> Any:
        return stored[rows, np.arange(num_columns)]

    donated = tf.ensure_shape(tf.numpy_function(read, [donors], values.dtype), values.shape)
    return tf.where(replaced, donated, values)


CHANGES: dict[type, Callable[[Any, dict[str, np.ndarray]], Change]] = {
    FeatureNoise: feature_noise,
    SwapNoise: swap_noise,
}
"""Transform to the function that fits it to the training split: `(transform, arrays) -> (draws, rows) -> rows`."""
