"""Transforms that change the values of pixels where they are; all keep them in [0, 255]."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from pipeline.augment.arithmetic import transformed
from pipeline.augment.hashing import Draws
from pipeline.recipe.augment import Brightness, Contrast, Cutout, Hue, Noise, Posterize, Saturation, Solarize

WHITE = 255.0


def contrast(transform: Contrast, draws: Draws, images: tf.Tensor) -> tf.Tensor:
    """Spreads values about the mean of each image and channel by a factor in [1 - fraction, 1 + fraction]."""
    mean = tf.reduce_mean(images, axis=(1, 2), keepdims=True)
    return _clip(images + _an_image(draws.amount(1, transform.fraction)) * (images - mean))


def brightness(transform: Brightness, draws: Draws, images: tf.Tensor) -> tf.Tensor:
    """Adds one value to all pixels of an image, in [-fraction, fraction] of the range."""
    return _clip(images + WHITE * _an_image(draws.amount(1, transform.fraction)))


def noise(transform: Noise, draws: Draws, images: tf.Tensor) -> tf.Tensor:
    """Adds to every value a normal one with standard deviation `stddev` of the range."""
    stddev = tf.where(draws.chosen(), WHITE * transform.stddev, 0.0)
    return _clip(images + _an_image(stddev) * draws.normal(1, tuple(images.shape[1:])))


def cutout(transform: Cutout, draws: Draws, images: tf.Tensor) -> tf.Tensor:
    """Blackens a square whose centre is anywhere in the image, so that part of it may lie outside."""
    _, height, width, _ = images.shape
    side = max(1, round(transform.fraction * min(height, width)))
    inside_rows = covered(draws.uniform(1, 0.0, height), side, height)[:, :, tf.newaxis, tf.newaxis]
    inside_columns = covered(draws.uniform(2, 0.0, width), side, width)[:, tf.newaxis, :, tf.newaxis]
    return tf.where(_an_image(draws.chosen()) & inside_rows & inside_columns, 0.0, images)


def hue(transform: Hue, draws: Draws, images: tf.Tensor) -> tf.Tensor:
    """Turns the colours of an image by up to `fraction` of the circle."""
    turn = {"factor": draws.amount(1, transform.fraction)}
    return _where_chosen(draws, transformed("RandomHue", images, turn, white=WHITE, first=0.0), images)


def saturation(transform: Saturation, draws: Draws, images: tf.Tensor) -> tf.Tensor:
    """Multiplies saturation by a factor in [1 - fraction, 1 + fraction]."""
    factor = {"factor": 1.0 + draws.amount(1, transform.fraction)}
    return _where_chosen(
        draws,
        WHITE * transformed("RandomSaturation", images / WHITE, factor, white=1.0, first=0.0),
        images,
    )


def solarize(transform: Solarize, draws: Draws, images: tf.Tensor) -> tf.Tensor:
    """Inverts values of `threshold` of the range and above."""
    return _where_chosen(draws, solarized(images, tf.fill(tf.shape(draws.state), WHITE * transform.threshold)), images)


def solarized(images: tf.Tensor, threshold: tf.Tensor) -> tf.Tensor:
    """Inverts values from `threshold` on; float32 (batch,), in [0, 255]."""
    return transformed("Solarization", images, {"thresholds": _an_image(threshold), "additions": 0.0}, white=WHITE)


def posterize(transform: Posterize, draws: Draws, images: tf.Tensor) -> tf.Tensor:
    """Keeps the highest `bits` of each value."""
    return _where_chosen(draws, posterized(images, tf.fill(tf.shape(draws.state), transform.bits)), images)


def posterized(images: tf.Tensor, bits: tf.Tensor) -> tf.Tensor:
    """Keeps the highest bits of each value; int32 (batch,), in [1, 8]."""
    return transformed(
        "RandomPosterization", images, {"shift_factor": tf.cast(8 - bits, tf.uint8)}, white=WHITE, first=8
    )


def _where_chosen(draws: Draws, changed: tf.Tensor, images: tf.Tensor) -> tf.Tensor:
    return tf.where(_an_image(draws.chosen()), changed, images)


def covered(centre: tf.Tensor, side: tf.Tensor | int, size: int) -> tf.Tensor:
    """Which pixels of an axis a rectangle covers: bool (batch, size).

    Args:
        centre: float32 (batch,), in [0, size).
        side: Pixels it is long, a whole number: float32 (batch,), or one for all.
        size: Pixels on the axis.
    """
    side = tf.cast(side, tf.float32)
    start = tf.floor(centre) - side // 2
    pixel = tf.range(size, dtype=tf.float32)
    return (pixel >= start[:, tf.newaxis]) & (pixel < (start + side)[:, tf.newaxis])


def _an_image(values: tf.Tensor) -> tf.Tensor:
    """Values of shape (batch,), to be broadcast over the pixels of each image."""
    return tf.reshape(values, (-1, 1, 1, 1))


def _clip(images: tf.Tensor) -> tf.Tensor:
    return tf.clip_by_value(images, 0.0, WHITE)


CHANGES: dict[type, Callable[[Any, Draws, tf.Tensor], tf.Tensor]] = {
    Contrast: contrast,
    Brightness: brightness,
    Noise: noise,
    Cutout: cutout,
    Hue: hue,
    Saturation: saturation,
    Solarize: solarize,
    Posterize: posterize,
}
"""Transform to its function: `(transform, draws, images float32) -> images float32`."""
