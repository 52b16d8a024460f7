"""The operations that published policies choose from, each with a strength; an example undergoes one at a time."""

import math
from typing import NamedTuple

import tensorflow as tf

from pipeline.augment.arithmetic import transformed
from pipeline.augment.fused import fused
from pipeline.augment.geometry import rotated, sheared, shifted
from pipeline.augment.pixels import WHITE, posterized, solarized
from pipeline.augment.warp import warp

OPERATIONS = (
    "identity",
    "auto_contrast",
    "equalize",
    "rotate",
    "solarize",
    "color",
    "posterize",
    "contrast",
    "brightness",
    "sharpness",
    "shear_x",
    "shear_y",
    "translate_x",
    "translate_y",
)

LEVELS = 256


class Space(NamedTuple):
    """What an operation of full strength does."""

    degrees: float
    """Angle of a rotation."""
    slope: float
    """Pixels sideways a pixel of a shear."""
    shift: float
    """Translation as a share of the height or width."""
    enhance: float
    """Change of colour, contrast, brightness and sharpness: factors 1 - enhance and 1 + enhance."""
    bits: tuple[int, int]
    """Bits that posterise keeps at no strength and at full strength."""


class Chosen(NamedTuple):
    """One operation for each example."""

    operation: tf.Tensor
    """int32 (batch,), a place in OPERATIONS; -1: none."""
    amount: tf.Tensor
    """float32 (batch,), in [-1, 1]: strength, and direction where there are two."""

    def of(self, name: str) -> tf.Tensor:
        """Amount of one operation, 0 for examples that undergo another: float32 (batch,)."""
        return tf.where(self.chooses(name), self.amount, 0.0)

    def chooses(self, name: str) -> tf.Tensor:
        """Which examples undergo an operation: bool (batch,)."""
        return self.operation == OPERATIONS.index(name)


def names_for(images: tf.Tensor) -> tuple[str, ...]:
    """The operations that change images of this kind: all, but `color` for grey ones."""
    return tuple(name for name in OPERATIONS if name != "color" or images.shape[-1] == 3)


def operate(images: tf.Tensor, chosen: Chosen, space: Space) -> tf.Tensor:
    """Does to each image the operation chosen for it.

    Args:
        images: float32 (batch, height, width, channels) in [0, 255], of static shape.
        chosen: The operations.
        space: What strength means.
    """
    moved = _moved(images, chosen, space)
    equal = tf.reshape(chosen.chooses("equalize"), (-1, 1, 1, 1))
    return tf.where(equal, equalized(moved), _revalued(moved, chosen, space))


@fused
def _moved(images: tf.Tensor, chosen: Chosen, space: Space) -> tf.Tensor:
    """Rotates, shears or translates in one pass: of the maps that are composed all but one keep an image in place."""
    _, height, width, _ = images.shape
    source = (
        rotated(math.radians(space.degrees) * chosen.of("rotate"))
        .then(sheared(space.slope * chosen.of("shear_x"), space.slope * chosen.of("shear_y")))
        .then(shifted(space.shift * height * chosen.of("translate_y"), space.shift * width * chosen.of("translate_x")))
    )
    return warp(images, source, "constant")


@fused
def _revalued(images: tf.Tensor, chosen: Chosen, space: Space) -> tf.Tensor:
    """Changes values where they are, and sharpens."""
    factor = 1.0 + space.enhance * chosen.amount
    strength = tf.abs(chosen.amount)
    most, fewest = space.bits
    bits = most - tf.cast(tf.round(strength * (most - fewest)), tf.int32)
    changed = {
        "auto_contrast": transformed("AutoContrast", images, white=WHITE),
        "solarize": solarized(images, LEVELS * (1.0 - strength)),
        "posterize": posterized(images, bits),
        "contrast": _blended(tf.reduce_mean(images, axis=(1, 2, 3), keepdims=True), images, factor),
        "brightness": _blended(tf.zeros_like(images), images, factor),
        "sharpness": _sharpened(images, factor),
    }
    if images.shape[-1] == 3:
        changed["color"] = transformed(
            "RandomColorDegeneration",
            images,
            {"factor": tf.reshape(1.0 - factor, (-1, 1, 1, 1))},
            white=WHITE,
            first=0.0,
        )
    result = images
    for name, values in changed.items():
        result = tf.where(tf.reshape(chosen.chooses(name), (-1, 1, 1, 1)), values, result)
    return result


def equalized(images: tf.Tensor) -> tf.Tensor:
    """Spreads the values of each image and channel so that all are about equally frequent, as PIL's `ImageOps` does.

    Images of fewer than 256 pixels are too small for that and stay, as in PIL. Keras's layer takes one histogram
    of the whole batch.
    """
    batch, height, width, channels = images.shape
    values = tf.reshape(tf.transpose(images, (0, 3, 1, 2)), (batch * channels, height * width))
    values = tf.cast(tf.round(values), tf.int32)
    cells = values + LEVELS * tf.range(batch * channels)[:, tf.newaxis]
    counts = tf.math.unsorted_segment_sum(
        tf.ones((batch * channels * height * width,), tf.int32), tf.reshape(cells, (-1,)), batch * channels * LEVELS
    )
    counts = tf.reshape(counts, (batch * channels, LEVELS))
    brightest = tf.gather(counts, tf.reduce_max(values, axis=1), batch_dims=1)
    step = ((height * width - brightest) // (LEVELS - 1))[:, tf.newaxis]
    table = tf.minimum((step // 2 + tf.cumsum(counts, axis=1, exclusive=True)) // tf.maximum(step, 1), LEVELS - 1)
    spread = tf.gather(tf.where(step > 0, table, tf.range(LEVELS)), values, batch_dims=1)
    spread = tf.transpose(tf.reshape(spread, (batch, channels, height, width)), (0, 2, 3, 1))
    return tf.cast(spread, tf.float32)


def _blended(base: tf.Tensor, images: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Moves images away from `base` by a factor above 1, towards it by one below 1."""
    return tf.clip_by_value(base + tf.reshape(factor, (-1, 1, 1, 1)) * (images - base), 0.0, WHITE)


def _sharpened(images: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Sharpens by a factor above 1, smooths by one below 1; the outermost pixels, which lack neighbours, stay."""
    _, height, width, _ = images.shape
    rows, columns = ((tf.range(size) > 0) & (tf.range(size) < size - 1) for size in (height, width))
    inner = rows[:, tf.newaxis, tf.newaxis] & columns[tf.newaxis, :, tf.newaxis]
    return tf.where(
        inner,
        transformed("RandomSharpness", images, {"factor": factor / 2}, white=WHITE, first=0.0),
        images,
    )
