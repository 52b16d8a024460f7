"""Transforms that change the values of pixels where they are; all keep them in [0, 255]."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from pipeline.augment.hashing import Draws
from pipeline.recipe.augment import Brightness, Contrast, Cutout, Noise

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
    inside_rows = _covered(draws.uniform(1, 0.0, height), side, height)[:, :, tf.newaxis, tf.newaxis]
    inside_columns = _covered(draws.uniform(2, 0.0, width), side, width)[:, tf.newaxis, :, tf.newaxis]
    return tf.where(_an_image(draws.chosen()) & inside_rows & inside_columns, 0.0, images)


def _covered(centre: tf.Tensor, side: int, size: int) -> tf.Tensor:
    """Which pixels of an axis a square covers: bool (batch, size)."""
    start = tf.floor(centre)[:, tf.newaxis] - side // 2
    pixel = tf.range(size, dtype=tf.float32)
    return (pixel >= start) & (pixel < start + side)


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
}
"""Transform to its function: `(transform, draws, images float32) -> images float32`."""
