"""Data sets of `benchmarks/techniques.py` that are derived: written once as .npz files, the same on every machine."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np

FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package `dataset-fashion-mnist` puts its files."""

NUM_FASHION = 5_000
SHARE_OF_RARE = 0.1

Arrays = tuple[np.ndarray, np.ndarray]


def derive(name: str, path: Path) -> None:
    """Writes a derived data set, unless it is there or is not a derived one.

    Args:
        name: Of the base recipe.
        path: The file: `x`, uint8 images (num_examples, height, width[, channels]), and `y`, their classes.

    Raises:
        FileNotFoundError: If the package that has the images is not installed.
    """
    if name in DERIVED and not path.exists():
        x, y = DERIVED[name]()
        np.savez(path, x=x, y=y)


def fashion() -> Arrays:
    """The first training images of Fashion-MNIST."""
    images = _idx("train-images-idx3-ubyte.gz", offset=16).reshape(-1, 28, 28)
    return images[:NUM_FASHION], _idx("train-labels-idx1-ubyte.gz", offset=8)[:NUM_FASHION].astype(np.int64)


def coloured() -> Arrays:
    """Digits, each in one random colour: the class is in the shape alone."""
    images, labels = _digits()
    colours = np.random.default_rng(0).uniform(0.2, 1.0, (len(images), 1, 1, 3))
    return (images[..., None] * colours).astype(np.uint8), labels


def rare() -> Arrays:
    """Digits of which 5 to 9 are rare."""
    images, labels = _digits()
    kept = (labels < 5) | (np.random.default_rng(0).random(len(labels)) < SHARE_OF_RARE)
    return images[kept], labels[kept]


DERIVED: dict[str, Callable[[], Arrays]] = {"fashion": fashion, "coloured": coloured, "rare": rare}
"""Derived data sets by the name of their base recipe."""


def _digits() -> Arrays:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return (bunch.images * (255 / 16)).astype(np.uint8), bunch.target


def _idx(name: str, *, offset: int) -> np.ndarray:
    path = FASHION_MNIST / name
    if not path.exists():
        raise FileNotFoundError(f"{path}: expected Fashion-MNIST; install Debian's package dataset-fashion-mnist")
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=offset)
