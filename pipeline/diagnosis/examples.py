"""Chooses examples to look at, of any form that `fit` takes."""

from typing import Any

import keras
import numpy as np


def num_examples(x: Any) -> int:
    """Counts the examples of arrays."""
    return len(keras.tree.flatten(x)[0])


def evenly(x: Any, y: Any, num: int) -> tuple[Any, Any]:
    """Takes up to `num` examples, evenly spaced, so that all classes of sorted data are among them.

    Args:
        x: An array, or a dict or list of arrays, of equal length.
        y: Labels, likewise.
        num: How many.
    """
    total = num_examples(x)
    places = np.linspace(0, total - 1, min(num, total)).astype(int)
    return rows(x, places), rows(y, places)


def rows(arrays: Any, places: np.ndarray) -> Any:
    """Takes the examples at these places."""
    return keras.tree.map_structure(lambda each: np.asarray(each)[places], arrays)
