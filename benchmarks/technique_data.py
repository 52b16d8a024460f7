"""Data sets of `benchmarks/techniques.py` that are derived: written once as .npz files, the same on every machine."""

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package `dataset-fashion-mnist` puts its files."""

NUM_FASHION = 5_000
SHARE_OF_RARE = 0.1

PER_CLASS = 10
"""Training examples of each class of `few`."""

Arrays = dict[str, np.ndarray]


def derive(name: str, folder: Path) -> None:
    """Writes a derived data set, unless it is there or is not a derived one; for `few` also the pretrained network.

    Args:
        name: Of the base recipe.
        folder: Gets `<name>.npz`: uint8 images (num_examples, height, width[, channels]) and their classes.

    Raises:
        FileNotFoundError: If the package that has the images is not installed.
    """
    path = folder / f"{name}.npz"
    if name in DERIVED and not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(path, **DERIVED[name]())
        if name == "few":
            _pretrain(folder)


def fashion() -> Arrays:
    """The first training images of Fashion-MNIST."""
    images = _idx("train-images-idx3-ubyte.gz", offset=16).reshape(-1, 28, 28)
    labels = _idx("train-labels-idx1-ubyte.gz", offset=8)
    return {"x": images[:NUM_FASHION], "y": labels[:NUM_FASHION].astype(np.int64)}


def coloured() -> Arrays:
    """Digits, each in one random colour: the class is in the shape alone."""
    images, labels = _digits()
    colours = np.random.default_rng(0).uniform(0.2, 1.0, (len(images), 1, 1, 3))
    return {"x": (images[..., None] * colours).astype(np.uint8), "y": labels}


def rare() -> Arrays:
    """Digits of which 5 to 9 are rare."""
    images, labels = _digits()
    kept = (labels < 5) | (np.random.default_rng(0).random(len(labels)) < SHARE_OF_RARE)
    return {"x": images[kept], "y": labels[kept]}


def few() -> Arrays:
    """Digits 5 to 9 in splits of their own, few of them to train on."""
    images, labels = _digits()
    places = [np.flatnonzero(labels == digit) for digit in range(5, 10)]
    bounds = {"train": (0, PER_CLASS), "validation": (PER_CLASS, -20), "test": (-20, None)}
    parts = {split: np.concatenate([place[slice(*bound)] for place in places]) for split, bound in bounds.items()}
    return {f"x_{split}": images[part] for split, part in parts.items()} | {
        f"y_{split}": labels[part] for split, part in parts.items()
    }


def zero_to_four() -> Arrays:
    """Digits 0 to 4: what a network is pretrained on before it sees `few`."""
    images, labels = _digits()
    return {"x": images[labels < 5], "y": labels[labels < 5]}


DERIVED: dict[str, Callable[[], Arrays]] = {
    "fashion": fashion,
    "coloured": coloured,
    "rare": rare,
    "few": few,
    "zero_to_four": zero_to_four,
}
"""Derived data sets by the name of their base recipe."""


def _pretrain(folder: Path) -> None:
    """Trains a network on digits 0 to 4 and keeps it as `zero_to_four.keras`."""
    from pipeline import run

    derive("zero_to_four", folder)
    recipe = {
        "name": "techniques-zero_to_four",
        "data": {"type": "npz", "path": f"{folder}/zero_to_four.npz"},
        "model": {"type": "cnn", "filters": [16, 32], "units": 64},
        "train": {"epochs": 30, "optimizer": {"type": "adam", "learning_rate": 2e-3}},
        "tracking": {"directory": str(folder), "uri": f"sqlite:///{folder}/mlflow.db", "system_metrics": False},
    }
    trained = run(recipe, until="train").folder("train")
    shutil.copy(trained / "network.keras", folder / "zero_to_four.keras")


def _digits() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return (bunch.images * (255 / 16)).astype(np.uint8), bunch.target


def _idx(name: str, *, offset: int) -> np.ndarray:
    path = FASHION_MNIST / name
    if not path.exists():
        raise FileNotFoundError(f"{path}: expected Fashion-MNIST; install Debian's package dataset-fashion-mnist")
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=offset)
