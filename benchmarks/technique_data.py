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
"""Training examples of each class of `few` and `few_recoloured`."""

NUM_RECOLOURED = 8
"""Pictures made of each digit of `zero_to_four_recoloured`, each in colours of its own."""

Arrays = dict[str, np.ndarray]


def derive(name: str, folder: Path) -> None:
    """Writes a derived data set, unless it is there or is not a derived one; and the network pretrained for it.

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
        if name in PRETRAINING:
            _pretrain(PRETRAINING[name], folder)


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


def few_recoloured() -> Arrays:
    """`few`, each digit in a random colour on a random one: which is the brighter of the two says nothing."""
    generator = np.random.default_rng(0)
    return {name: _recoloured(part, generator) if name[0] == "x" else part for name, part in few().items()}


def zero_to_four_recoloured() -> Arrays:
    """`zero_to_four` in random colours, several times over: what a network is pretrained on before `few_recoloured`."""
    plain = zero_to_four()
    images = np.tile(plain["x"], (NUM_RECOLOURED, 1, 1))
    return {"x": _recoloured(images, np.random.default_rng(1)), "y": np.tile(plain["y"], NUM_RECOLOURED)}


DERIVED: dict[str, Callable[[], Arrays]] = {
    "fashion": fashion,
    "coloured": coloured,
    "rare": rare,
    "few": few,
    "zero_to_four": zero_to_four,
    "few_recoloured": few_recoloured,
    "zero_to_four_recoloured": zero_to_four_recoloured,
}
"""Derived data sets by the name of their base recipe."""

PRETRAINING = {"few": "zero_to_four", "few_recoloured": "zero_to_four_recoloured"}
"""Data sets of few examples to those that a network is pretrained on."""


def _pretrain(name: str, folder: Path) -> None:
    """Trains a network on a derived data set and keeps it in a folder as `<name>.keras`."""
    from pipeline import run

    derive(name, folder)
    recipe = {
        "name": f"techniques-{name}",
        "data": {"type": "npz", "path": f"{folder}/{name}.npz"},
        "model": {"type": "cnn", "filters": [16, 32], "units": 64},
        "train": {"epochs": 30, "optimizer": {"type": "adam", "learning_rate": 2e-3}},
        "tracking": {"directory": str(folder), "uri": f"sqlite:///{folder}/mlflow.db", "system_metrics": False},
    }
    trained = run(recipe, until="train").folder("train")
    shutil.copy(trained / "network.keras", folder / f"{name}.keras")


def _recoloured(images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Lays grey images over as ink on paper, both of random colours: uint8 (n, height, width) to (n, ..., 3)."""
    ink, paper = generator.uniform(0, 255, (2, len(images), 1, 1, 3))
    return (paper + (ink - paper) * (images[..., None] / 255)).astype(np.uint8)


def _digits() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return (bunch.images * (255 / 16)).astype(np.uint8), bunch.target


def _idx(name: str, *, offset: int) -> np.ndarray:
    path = FASHION_MNIST / name
    if not path.exists():
        raise FileNotFoundError(f"{path}: expected Fashion-MNIST; install Debian's package dataset-fashion-mnist")
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=offset)
