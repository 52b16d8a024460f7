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
    return resample(images, *sources(source, images.shape[1], images.shape[2]), fill)


def resample(images: tf.Tensor, y: tf.Tensor, x: tf.Tensor, fill: Fill) -> tf.Tensor:
    """Fetches every pixel of the output from a place of its own; see `warp`.

    Args:
        images: uint8 or float32 (batch, height, width, channels), of static shape.
        y: Rows that the output's pixels come from, in pixels; float32 (batch, height, width).
        x: Columns that they come from.
        fill: What lies beyond the border.

    Returns:
        float32 of the shape of `images`.
    """
    batch, height, width, channels = images.shape
    row, upper, lower = _neighbours(y, height, fill)
    column, left, right = _neighbours(x, width, fill)
    pixels = tf.reshape(images, (-1, channels))
    first = tf.reshape(tf.range(batch) * (height * width), (-1, 1, 1)) + row * width + column

    def read(offset: int) -> tf.Tensor:
        return tf.cast(tf.gather(pixels, first + offset), tf.float32)

    above = left * read(0) + right * read(1)
    below = left * read(width) + right * read(width + 1)
    return upper * above + lower * below


def sources(source: Affine, height: int, width: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Coordinates that the output's pixels come from: y and x, each float32 (batch, height, width)."""
    centre_y, centre_x = (height - 1) / 2, (width - 1) / 2
    y = (tf.range(height, dtype=tf.float32) - centre_y)[:, tf.newaxis]
    x = tf.range(width, dtype=tf.float32) - centre_x
    at = Affine(*(tf.reshape(field, (-1, 1, 1)) for field in source))
    return at.yy * y + at.yx * x + (at.y0 + centre_y), at.xy * y + at.xx * x + (at.x0 + centre_x)


def _neighbours(coordinate: tf.Tensor, size: int, fill: Fill) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The two pixels of an axis that a coordinate is interpolated from.

    The weight of a pixel falls in a straight line from 1 where it lies to 0 at its neighbours, so that beyond the
    border both weights fade to 0: black.

    Args:
        coordinate: float32 (batch, height, width), in pixels.
        size: Pixels on the axis.
        fill: What lies beyond the border.

    Returns:
        Index of the first pixel, int32 (batch, height, width), and the weights of it and of the next one, float32
        (batch, height, width, 1).
    """
    if fill == "reflect":
        turned = tf.math.floormod(coordinate + 0.5, 2.0 * size)
        coordinate = tf.minimum(turned, 2.0 * size - turned) - 0.5
    if fill != "constant":
        coordinate = tf.clip_by_value(coordinate, 0.0, size - 1.0)
    first = tf.clip_by_value(tf.floor(coordinate), 0.0, max(size - 2.0, 0.0))
    offset = (coordinate - first)[..., tf.newaxis]
    # An axis of one pixel has no next one.
    next_weight = tf.maximum(1.0 - tf.abs(offset - 1.0), 0.0) * float(size > 1)
    return tf.cast(first, tf.int32), tf.maximum(1.0 - tf.abs(offset), 0.0), next_weight
