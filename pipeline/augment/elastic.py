"""Elastic distortion of images: a field of displacements for each example."""

import tensorflow as tf

from pipeline.augment.fused import fused
from pipeline.augment.geometry import still
from pipeline.augment.hashing import Draws
from pipeline.augment.smoothing import smooth
from pipeline.augment.warp import resample, sources
from pipeline.recipe.augment import Elastic


def elastic(transform: Elastic, draws: Draws, images: tf.Tensor) -> tf.Tensor:
    """Moves every pixel by smoothed noise (Simard et al. 2003, section 2); see `recipe.augment.Elastic`."""
    sigma = tf.fill(tf.shape(draws.state), transform.sigma)
    field = smooth(_noise(transform, draws, images.shape[1], images.shape[2]), sigma, transform.sigma)
    return _displaced(transform, images, field)


@fused
def _noise(transform: Elastic, draws: Draws, height: int, width: int) -> tf.Tensor:
    """Displacements before smoothing, of rows and columns: float32 (batch, height, width, 2); 0 if not chosen."""
    alpha = tf.where(draws.chosen(), transform.alpha, 0.0)
    return tf.reshape(alpha, (-1, 1, 1, 1)) * (2.0 * draws.units(1, (height, width, 2)) - 1.0)


@fused
def _displaced(transform: Elastic, images: tf.Tensor, field: tf.Tensor) -> tf.Tensor:
    y, x = sources(still(images.shape[0]), images.shape[1], images.shape[2])
    return resample(images, y + field[..., 0], x + field[..., 1], transform.fill)
