"""Resampling of a batch of images under affine maps, bilinear, in one pass."""

from typing import Literal

import tensorflow as tf

from pipeline.augment.geometry import Affine

Fill = Literal["constant", "nearest", "reflect"]


def warp(images: tf.Tensor, source: Affine, fill: Fill) -> tf.Tensor:
    """Moves the pixels of each image by its own map; pixels that stay in place keep their exact value.

    Meant to be compiled with XLA, which makes one loop of it: four reads and a weighted sum a pixel.

    Args:
        images: uint8 or float32 (batch, height, width, channels), of static shape.
        source: Where the pixels of the output come from.
        fill: What lies beyond the border: black, the nearest pixel, or the image mirrored at its border.

    Returns:
        float32 of the shape of `images`.
    """
    batch, height, width, channels = images.shape
    y, x = (coordinate[..., tf.newaxis] for coordinate in _sources(source, height, width))
    (top, bottom), (top_weight, bottom_weight) = _neighbours(y, height, fill)
    (left, right), (left_weight, right_weight) = _neighbours(x, width, fill)
    pixels = tf.reshape(images, (-1, channels))
    first = tf.reshape(tf.range(batch) * (height * width), (-1, 1, 1, 1))

    def read(row: tf.Tensor, column: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.gather(pixels, (first + row * width + column)[..., 0]), tf.float32)

    return top_weight * (left_weight * read(top, left) + right_weight * read(top, right)) + bottom_weight * (
        left_weight * read(bottom, left) + right_weight * read(bottom, right)
    )


def _sources(source: Affine, height: int, width: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Coordinates that the output's pixels come from: y and x, each float32 (batch, height, width)."""
    centre_y, centre_x = (height - 1) / 2, (width - 1) / 2
    y = (tf.range(height, dtype=tf.float32) - centre_y)[:, tf.newaxis]
    x = tf.range(width, dtype=tf.float32) - centre_x
    m = Affine(*(tf.reshape(field, (-1, 1, 1)) for field in source))
    return m.yy * y + m.yx * x + (m.y0 + centre_y), m.xy * y + m.xx * x + (m.x0 + centre_x)


def _neighbours(
    coordinate: tf.Tensor, size: int, fill: Fill
) -> tuple[tuple[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """The two pixels of an axis between which a coordinate lies, as int32 in [0, size), and their weights."""
    if fill == "reflect":
        turned = tf.math.floormod(coordinate + 0.5, 2.0 * size)
        coordinate = tf.minimum(turned, 2.0 * size - turned) - 0.5
    if fill != "constant":
        coordinate = tf.clip_by_value(coordinate, 0.0, size - 1.0)
    lower = tf.floor(coordinate)
    upper = lower + 1.0
    weights = upper - coordinate, coordinate - lower
    if fill == "constant":
        weights = tuple(
            tf.where((pixel >= 0) & (pixel < size), weight, 0.0)
            for pixel, weight in zip((lower, upper), weights, strict=True)
        )
    pixels = tuple(tf.cast(tf.clip_by_value(pixel, 0.0, size - 1.0), tf.int32) for pixel in (lower, upper))
    return pixels, weights
