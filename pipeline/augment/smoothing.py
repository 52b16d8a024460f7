"""Gaussian smoothing with a width for each example, one axis after the other."""

import math

import tensorflow as tf

from pipeline.augment.fused import fused

RADIUS = 3.0
"""Where the Gaussian is cut off, in standard deviations."""


def smooth(images: tf.Tensor, sigma: tf.Tensor, limit: float) -> tf.Tensor:
    """Averages neighbouring pixels with the weights of a Gaussian; beyond the border lies the nearest pixel.

    Args:
        images: float32 (batch, height, width, channels), of static shape.
        sigma: Standard deviations, float32 (batch,), in pixels; at 0 an image stays as it is.
        limit: The largest of them.

    Returns:
        float32 of the shape of `images`.
    """
    radius = math.ceil(RADIUS * limit)
    for axis in (1, 2):
        images = _along(images, sigma, radius, axis)
    return images


# An axis at a time: fused, XLA would smooth along the first axis again for every pixel that the second one reads.
@fused
def _along(images: tf.Tensor, sigma: tf.Tensor, radius: int, axis: int) -> tf.Tensor:
    steps = tf.range(-radius, radius + 1)
    weights = tf.exp(-0.5 * tf.square(tf.cast(steps, tf.float32) / tf.maximum(sigma, 1e-3)[:, tf.newaxis]))
    weights /= tf.reduce_sum(weights, axis=1, keepdims=True)
    size = images.shape[axis]
    read = [tf.clip_by_value(tf.range(size) + step, 0, size - 1) for step in range(-radius, radius + 1)]
    return tf.add_n(
        [weights[:, k, None, None, None] * tf.gather(images, rows, axis=axis) for k, rows in enumerate(read)]
    )
