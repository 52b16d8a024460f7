"""Random numbers as a pure function of integers: the same on every thread, in any order, eager or in a graph."""

from typing import NamedTuple

import tensorflow as tf


class Draws(NamedTuple):
    """The random numbers of one transform for one batch; each stream is independent of the others."""

    state: tf.Tensor
    """uint32 (batch,), a hash of the transform's key, the example's index and the epoch."""
    probability: float
    """Share of examples that the transform changes, in (0, 1]."""

    def chosen(self) -> tf.Tensor:
        """Draws which examples are changed: bool (batch,)."""
        return self.uniform(0, 0.0, 1.0) < self.probability

    def uniform(self, stream: int, low: float, high: float) -> tf.Tensor:
        """Draws float32 (batch,), evenly from [low, high)."""
        return low + (high - low) * to_unit(fold(self.state, stream))

    def integer(self, stream: int, count: int) -> tf.Tensor:
        """Draws int32 (batch,), evenly from [0, count)."""
        return tf.cast(self.uniform(stream, 0.0, float(count)), tf.int32)

    def integers(self, stream: int, shape: tuple[int, ...], count: int) -> tf.Tensor:
        """Draws int64 (batch, *shape), evenly from [0, count), `count` far below 2**32."""
        return tf.cast(self._hashes(stream, shape), tf.int64) % count

    def amount(self, stream: int, limit: float) -> tf.Tensor:
        """Draws float32 (batch,), evenly from [-limit, limit), and exactly 0 for examples that are not changed."""
        return tf.where(self.chosen(), self.uniform(stream, -limit, limit), 0.0)

    def normal(self, stream: int, shape: tuple[int, ...]) -> tf.Tensor:
        """Draws float32 (batch, *shape) from the standard normal distribution, by its inverse distribution function."""
        # A hair less than (-1, 1): at the ends the inverse is infinite.
        position = (1.0 - 2.0**-23) * (2.0 * self.units(stream, shape) - 1.0)
        return 2.0**0.5 * tf.math.erfinv(position)

    def units(self, stream: int, shape: tuple[int, ...]) -> tf.Tensor:
        """Draws float32 (batch, *shape), evenly from [0, 1)."""
        return to_unit(self._hashes(stream, shape))

    def _hashes(self, stream: int, shape: tuple[int, ...]) -> tf.Tensor:
        cells = tf.reshape(tf.range(tf.math.reduce_prod(shape)), shape)
        return fold(tf.reshape(fold(self.state, stream), (-1, *(1 for _ in shape))), cells)


def draws(key: int, probability: float, indices: tf.Tensor, epoch: tf.Tensor) -> Draws:
    """Opens the random numbers of one transform.

    Args:
        key: Seed of the transform, in [0, 2**31).
        probability: Share of examples that the transform changes, in (0, 1].
        indices: Integer (batch,), the examples' indices in their split.
        epoch: Integer scalar.
    """
    return Draws(fold(fold(mix(tf.constant(key, tf.uint32)), indices), epoch), probability)


def fold(state: tf.Tensor, value: tf.Tensor | int) -> tf.Tensor:
    """Hashes an integer into a state, broadcasting: uint32 of the common shape."""
    return mix(tf.bitwise.bitwise_xor(state, tf.cast(value, tf.uint32)))


def mix(x: tf.Tensor) -> tf.Tensor:
    """Scatters the bits of uint32 `x`, one to one: every input bit flips each output bit about half the time.

    The function is lowbias32 (Wellons 2018, "Prospecting for Hash Functions").
    """
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x = tf.bitwise.bitwise_xor(x, tf.bitwise.right_shift(x, tf.constant(shift, tf.uint32)))
        x *= tf.constant(factor, tf.uint32)
    return tf.bitwise.bitwise_xor(x, tf.bitwise.right_shift(x, tf.constant(16, tf.uint32)))


def to_unit(x: tf.Tensor) -> tf.Tensor:
    """Turns uint32 into float32 in [0, 1), by its upper 24 bits."""
    # By way of int32, which vector units convert at once.
    upper = tf.cast(tf.bitwise.right_shift(x, tf.constant(8, tf.uint32)), tf.int32)
    return tf.cast(upper, tf.float32) * 2.0**-24
