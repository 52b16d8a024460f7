"""The contact sheet of `plumbline preview`: training examples beside what augmentation makes of them, as one PNG."""

import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from pipeline.augment import augmenter
from pipeline.augment.mixing import Step, mixing
from pipeline.batches import Batches, read_prepared
from pipeline.recipe.augment import AugmentConfig
from pipeline.serving.signature import Signature
from pipeline.words import in_words

INCHES_PER_IMAGE = 1.1
DOTS_PER_INCH = 120
CHARACTERS, LINES = 150, 3
"""Width of a page of words, and lines of one version of an example; what is longer is cut."""
POINTS = 8.0
"""Size of its letters."""


def contact_sheet(
    prepared: Path, augment: tuple[AugmentConfig, ...], seed: int, out: Path, rows: int = 6, columns: int = 8
) -> None:
    """Draws one row an example: the original, then the versions that the first epochs of training see.

    Texts and rows of tables are written below each other, in words. What mixes examples mixes those on the sheet.

    Args:
        prepared: What preprocess wrote; class names come from its `signature.json` where there is one.
        augment: The recipe's `augment` section.
        seed: The recipe's seed.
        out: The PNG to write.
        rows: Examples shown, the first ones of the first epoch; fewer if there are fewer.
        columns: Versions of each, the original included.

    Raises:
        UserError: If a transform does not fit the examples.
    """
    arrays, label = read_prepared(prepared / "train", "disk")
    indices = Batches(arrays, label, batch_size=rows, seed=seed).indices(0, 0)
    originals = {name: array[indices] for name, array in arrays.items()}
    change = versions(originals, arrays, augment, seed=seed)
    shown = [originals, *(change(indices, epoch) for epoch in range(columns - 1))]
    names = _names(label[indices], prepared / "signature.json")
    if "image" in arrays:
        figure = _draw(np.stack([version["image"] for version in shown], axis=1), names)
    else:
        heading, tell = in_words(prepared)
        figure = _write(heading, list(zip(*map(tell, shown), strict=True)), names)
    figure.savefig(out, format="png")


def versions(
    originals: dict[str, np.ndarray], arrays: dict[str, np.ndarray], augment: tuple[AugmentConfig, ...], *, seed: int
) -> Callable[[np.ndarray, int], dict[str, np.ndarray]]:
    """Builds the function of indices and epoch that changes some examples as training does.

    Args:
        originals: Prepared tensors of the examples.
        arrays: Those of the whole training split.
        augment: The recipe's `augment` section.
        seed: The recipe's seed.
    """
    change, mix = augmenter(augment, arrays, seed=seed), mixing(augment, seed=seed)

    def version(indices: np.ndarray, epoch: int) -> dict[str, np.ndarray]:
        inputs = {name: tf.constant(array) for name, array in originals.items()}
        keys, step = tf.constant(indices), Step(*(tf.constant(value) for value in (epoch, 0, len(indices))))
        if change:
            inputs = change(inputs, keys, step.epoch)
        if mix:
            inputs, _ = mix(inputs, tf.zeros(len(indices)), keys, step)
        return {name: tensor.numpy() for name, tensor in inputs.items()}

    return version


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


def _write(heading: str, examples: list[tuple[str, ...]], names: list[str]) -> Figure:
    """Writes the versions of each example below each other, the original first."""
    lines = [f"{'':10}{heading}"] if heading else []
    for versions_, name in zip(examples, names, strict=True):
        lines.append(" ".join(name.split()))
        for epoch, words in enumerate(versions_):
            title = f"epoch {epoch}" if epoch else "original"
            # Matplotlib would take what is between two dollars for a formula.
            wrapped = textwrap.wrap(words, CHARACTERS - 10, drop_whitespace=False, max_lines=LINES) or [""]
            lines += [f"{title if i == 0 else '':10}{line}".replace("$", r"\$") for i, line in enumerate(wrapped)]
        lines.append("")
    inches = POINTS / 72
    figure = Figure(figsize=(0.62 * CHARACTERS * inches, 1.25 * (len(lines) + 1) * inches), dpi=DOTS_PER_INCH)
    figure.text(0.01, 0.99, "\n".join(lines), family="monospace", size=POINTS, va="top")
    return figure
