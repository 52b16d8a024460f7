"""Augmentation of texts: of token indices, int32 (batch, length), 0 = padding, which always is at the end."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from pipeline.augment.hashing import Draws
from pipeline.recipe.augment import SpanMask, WordDropout, WordSwap

PADDING, UNKNOWN = 0, 1
"""Token indices that stand for no word (`keras.layers.TextVectorization`)."""


def word_dropout(transform: WordDropout, draws: Draws, tokens: tf.Tensor) -> tf.Tensor:
    """Takes tokens out and closes the gaps; the token that has drawn the highest number stays."""
    length, present = tokens.shape[1], tokens != PADDING
    number = tf.where(present, draws.units(1, (length,)), -1.0)
    dropped = (number < transform.fraction) & (number < tf.reduce_max(number, axis=1, keepdims=True))
    stays = present & ~(dropped & _column(draws.chosen()))
    front = _in_front(stays)
    return tf.where(tf.gather(stays, front, batch_dims=1), tf.gather(tokens, front, batch_dims=1), PADDING)


def word_swap(transform: WordSwap, draws: Draws, tokens: tf.Tensor) -> tf.Tensor:
    """Shuffles a random choice of the tokens among their places."""
    length = tokens.shape[1]
    moving = (tokens != PADDING) & _column(draws.chosen()) & (draws.units(1, (length,)) < transform.fraction)
    places = tf.range(length, dtype=tf.float32)
    # Both list the moving tokens first, and after them the others in their own order: so only the moving ones move.
    target = _in_front(moving)
    origin = tf.argsort(tf.where(moving, draws.units(2, (length,)), 1.0 + places))
    return tf.gather(tf.gather(tokens, origin, batch_dims=1), tf.argsort(target), batch_dims=1)


def span_mask(transform: SpanMask, draws: Draws, tokens: tf.Tensor) -> tf.Tensor:
    """Replaces one row of neighbouring tokens, anywhere in the text, by the unknown token."""
    count = tf.math.count_nonzero(tokens, axis=1, dtype=tf.int32)
    wanted = tf.cast(tf.round(transform.fraction * tf.cast(count, tf.float32)), tf.int32)
    length = tf.minimum(tf.maximum(wanted, 1), count - 1)
    first = tf.cast(draws.uniform(1, 0.0, 1.0) * tf.cast(count - length + 1, tf.float32), tf.int32)
    place = tf.range(tokens.shape[1])
    inside = (place >= _column(first)) & (place < _column(first + length))
    return tf.where(inside & _column(draws.chosen()), UNKNOWN, tokens)


def _in_front(wanted: tf.Tensor) -> tf.Tensor:
    """Lists the places of each row that are wanted and then the others, both in order: int32 (batch, length)."""
    length = wanted.shape[1]
    places = tf.range(length)
    return tf.argsort(tf.where(wanted, places, places + length))


def _column(values: tf.Tensor) -> tf.Tensor:
    return values[:, tf.newaxis]


CHANGES: dict[type, Callable[[Any, Draws, tf.Tensor], tf.Tensor]] = {
    WordDropout: word_dropout,
    WordSwap: word_swap,
    SpanMask: span_mask,
}
"""Transform to its function: `(transform, draws, tokens) -> tokens`."""
