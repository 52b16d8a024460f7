"""The contact sheet of `plumbline preview`: training images beside what augmentation makes of them, as one PNG."""

from pathlib import Path

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from pipeline.augment import augmentation
from pipeline.batches import Batches, read_prepared
from pipeline.errors import UserError
from pipeline.recipe.augment import AugmentConfig
from pipeline.serving.signature import Signature

INCHES_PER_IMAGE = 1.1
DOTS_PER_INCH = 120


def contact_sheet(
    prepared: Path, augment: tuple[AugmentConfig, ...], seed: int, out: Path, rows: int = 6, columns: int = 8
) -> None:
    """Draws one row an example: the original, then the versions that the first epochs of training see.

    Args:
        prepared: What preprocess wrote; class names come from its `signature.json` where there is one.
        augment: The recipe's `augment` section.
        seed: The recipe's seed.
        out: The PNG to write.
        rows: Examples shown, the first ones of the first epoch; fewer if there are fewer.
        columns: Images of each, the original included.

    Raises:
        UserError: If the examples are not images.
    """
    arrays, label = read_prepared(prepared / "train", "disk")
    if "image" not in arrays:
        raise UserError(f"preview: expected examples that are images. Received: {', '.join(arrays)}")
    indices = Batches(arrays, label, batch_size=rows, seed=seed).indices(0, 0)
    images = tf.constant(arrays["image"][indices])
    augmented = augmentation(augment, seed=seed)
    versions = [augmented(images, indices, tf.constant(epoch)).numpy() for epoch in range(columns - 1)]
    names = _names(label[indices], prepared / "signature.json")
    _draw(np.stack([images.numpy(), *versions], axis=1), names).savefig(out, format="png")


def _names(labels: np.ndarray, signature: Path) -> list[str]:
    """Labels in words: the class, or the value."""
    classes = Signature.load(signature).classes if signature.exists() else ()
    if classes and labels.ndim == 1:
        return [classes[label] for label in labels]
    if classes:
        return ["\n".join(np.array(classes)[label > 0]) for label in labels]
    return [np.array2string(label, precision=4) for label in labels]


def _draw(images: np.ndarray, names: list[str]) -> Figure:
    """Draws a grid of images in [0, 255], (rows, columns, height, width, channels), each row with its name."""
    rows, columns = images.shape[:2]
    figure = Figure(figsize=(columns * INCHES_PER_IMAGE, rows * INCHES_PER_IMAGE), dpi=DOTS_PER_INCH)
    figure.set_layout_engine("constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for row, name in enumerate(names):
        grid[row, 0].set_ylabel(name)
        for axes, image in zip(grid[row], images[row], strict=True):
            axes.imshow(image.astype(np.uint8), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            axes.set(xticks=[], yticks=[])
    for column in range(columns):
        grid[0, column].set_title(f"epoch {column}" if column else "original", fontsize="small")
    return figure
