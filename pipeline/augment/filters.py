"""Transforms whose result at a pixel depends on its neighbours, each a pass of its own."""

import tensorflow as tf

from pipeline.augment.hashing import Draws
from pipeline.augment.smoothing import smooth
from pipeline.recipe.augment import Blur, Jpeg


def blur(transform: Blur, draws: Draws, images: tf.Tensor) -> tf.Tensor:
    """Smooths each image with a standard deviation in [0, sigma) pixels."""
    images = tf.cast(images, tf.float32)
    chosen = draws.chosen()
    sigma = tf.where(chosen, draws.uniform(1, 0.0, transform.sigma), 0.0)
    return tf.where(tf.reshape(chosen, (-1, 1, 1, 1)), smooth(images, sigma, transform.sigma), images)


def jpeg(transform: Jpeg, draws: Draws, images: tf.Tensor) -> tf.Tensor:
    """Encodes and decodes each image, values rounded to whole numbers, with a quality in [quality, 100]."""
    images = tf.cast(images, tf.float32)
    quality = transform.quality + draws.integer(1, 101 - transform.quality)

    def through_jpeg(image_and_quality: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        return tf.image.adjust_jpeg_quality(*image_and_quality)

    pixels = tf.cast(tf.round(images), tf.uint8)
    decoded = tf.map_fn(through_jpeg, (pixels, quality), fn_output_signature=tf.TensorSpec(images.shape[1:], tf.uint8))
    return tf.where(tf.reshape(draws.chosen(), (-1, 1, 1, 1)), tf.cast(decoded, tf.float32), images)
