"""Random numbers of the symmetric Beta distribution, from even ones: by its quantiles, so that one draw suffices."""

import functools

import numpy as np
import tensorflow as tf

NUM_QUANTILES = 4096
NUM_HALVINGS = 60
"""Steps of bisection: more than float64 can tell apart."""


def beta(alpha: float, units: tf.Tensor) -> tf.Tensor:
    """Turns even numbers into such of Beta(alpha, alpha), in 4096 equally likely steps.

    Args:
        alpha: Both parameters of the distribution; above 0.
        units: float32 (batch,), in [0, 1).

    Returns:
        float32 (batch,), in [0, 1].
    """
    return tf.gather(tf.constant(quantiles(alpha), tf.float32), tf.cast(units * NUM_QUANTILES, tf.int32))


@functools.cache
def quantiles(alpha: float) -> np.ndarray:
    """Quantiles of Beta(alpha, alpha) in the middle of each 1/4096: float64 (4096,), by bisection."""
    below_half = (np.arange(NUM_QUANTILES // 2) + 0.5) / NUM_QUANTILES
    low, high = np.zeros_like(below_half), np.full_like(below_half, 0.5)
    with tf.init_scope():
        parameter = tf.fill(below_half.shape, tf.constant(alpha, tf.float64))
        for _ in range(NUM_HALVINGS):
            middle = (low + high) / 2
            is_low = tf.math.betainc(parameter, parameter, middle).numpy() < below_half
            low, high = np.where(is_low, middle, low), np.where(is_low, high, middle)
    return np.concatenate([low, 1.0 - low[::-1]])
