"""Chooses examples to look at, of any form that `fit` takes: evenly spaced, or all different."""

import hashlib
from typing import Any

import keras
import numpy as np

from pipeline.errors import UserError


def check_arrays(**given: Any) -> None:
    """Refuses what is no array, nor a dict or list of arrays, and what has other numbers of examples than the rest.

    Args:
        given: By the name that the user knows it by.

    Raises:
        UserError: Naming the first that is refused.
    """
    counts: dict[str, int] = {}
    for name, arrays in given.items():
        leaves = keras.tree.flatten(arrays)
        if not leaves or not all(hasattr(each, "__getitem__") and len(getattr(each, "shape", ())) for each in leaves):
            kind = type(arrays).__name__
            raise UserError(f"{name}: expected an array, or a dict or list of arrays, as NumPy has. Received: {kind}")
        counts |= {f"{name}[{place}]" if place else name: len(each) for place, each in enumerate(leaves)}
    if len(set(counts.values())) > 1 or 0 in counts.values():
        found = ", ".join(f"{name} has {count}" for name, count in counts.items())
        raise UserError(f"{' and '.join(given)}: expected equally many examples, one at least. Received: {found}")


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
    return _taken(x, y, np.linspace(0, total - 1, min(num, total)).astype(int))


def distinct(x: Any, y: Any, num: int) -> tuple[Any, Any]:
    """Takes up to `num` examples with different inputs, evenly spaced: equal ones may have different labels."""
    total = num_examples(x)
    candidates = np.linspace(0, total - 1, min(8 * num, total)).astype(int)
    _, first = np.unique(contents(_rows(x, candidates)), return_index=True)
    places = candidates[np.sort(first)]
    return _taken(x, y, places[np.linspace(0, len(places) - 1, min(num, len(places))).astype(int)])


def contents(x: Any) -> np.ndarray:
    """Hashes what each example contains, `(n,)` texts of 16 hex digits."""
    leaves = [np.asarray(each) for each in keras.tree.flatten(x)]
    return np.array(
        [
            hashlib.blake2b(
                b"".join(np.ascontiguousarray(leaf[i]).tobytes() for leaf in leaves), digest_size=8
            ).hexdigest()
            for i in range(len(leaves[0]))
        ]
    )


def _taken(x: Any, y: Any, places: np.ndarray) -> tuple[Any, Any]:
    return _rows(x, places), _rows(y, places)


def _rows(arrays: Any, places: np.ndarray) -> Any:
    return keras.tree.map_structure(lambda each: np.asarray(each)[places], arrays)
