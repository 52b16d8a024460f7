"""Which examples an epoch holds and in which order: a function of the epoch and the place in it, without any state."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from models.seeds import seed_for
from pipeline.augment.hashing import fold

ROUNDS = 4
"""Rounds of the cipher that permutes, as many as `tf.random.experimental.index_shuffle` takes."""


class Places(NamedTuple):
    """What stands at some places of an epoch; both int64 (batch,)."""

    indices: tf.Tensor
    """Indices of examples in their split."""
    repetitions: tf.Tensor
    """How often each has come before in this epoch."""


class Order(NamedTuple):
    """The order of every epoch."""

    num_draws: int
    """Places in an epoch."""
    at: Callable[[tf.Tensor, tf.Tensor], Places]
    """`(epoch int64 scalar, places int64 (batch,) in [0, num_draws)) -> Places`."""


def unshuffled(num_examples: int) -> Order:
    """Every example once, in its own place."""
    return Order(num_examples, lambda _, places: Places(places, tf.zeros_like(places)))


def natural(num_examples: int, *, seed: int) -> Order:
    """Every example once, in an order of its own each epoch."""
    key = seed_for(seed, "order")

    def at(epoch: tf.Tensor, places: tf.Tensor) -> Places:
        return Places(_shuffled(places, _key(key, epoch), num_examples), tf.zeros_like(places))

    return Order(num_examples, at)


def balanced(label: np.ndarray, *, seed: int) -> Order:
    """Every class equally often, as often as the largest one has examples: its examples come once, others again.

    Within a class, no example comes a second time before all have come, and which ones come once more than others
    changes from epoch to epoch.

    Args:
        label: Class indices, integer (num_examples,).
        seed: The recipe's seed.

    Raises:
        ValueError: If labels are not class indices.
    """
    if label.ndim != 1 or not np.issubdtype(label.dtype, np.integer):
        raise ValueError(
            f"sampling: expected a class index of each example to balance by. "
            f"Received: labels {label.dtype} of shape {label.shape}"
        )
    _, counts = np.unique(label, return_counts=True)
    members = np.argsort(label, kind="stable")
    first = np.cumsum(counts) - counts
    num_classes, num_draws = len(counts), int(len(counts) * counts.max())
    order_key, class_key = seed_for(seed, "order"), seed_for(seed, "order", "class")

    def at(epoch: tf.Tensor, places: tf.Tensor) -> Places:
        place = _shuffled(places, _key(order_key, epoch), num_draws)
        group, draw = place % num_classes, place // num_classes
        size = tf.gather(tf.constant(counts, tf.int64), group)
        repetition = draw // size
        # A permutation of the class for each time through it.
        through = fold(fold(fold(tf.constant(class_key, tf.uint32), epoch), group), repetition)
        rank = _shuffled_each(draw % size, fold(through[:, tf.newaxis], tf.range(3)), size)
        return Places(tf.gather(members, tf.gather(tf.constant(first, tf.int64), group) + rank), repetition)

    return Order(num_draws, at)


def _key(seed: int, epoch: tf.Tensor) -> tf.Tensor:
    # Hashed, because `index_shuffle` gives correlated orders for keys that differ in few bits, as epochs do.
    return fold(fold(tf.constant(seed, tf.uint32), epoch), tf.range(2))


def _shuffled(places: tf.Tensor, key: tf.Tensor, size: int) -> tf.Tensor:
    """Permutes [0, size) by a key uint32 (2,)."""
    return tf.random.experimental.index_shuffle(places, key, size - 1)


def _shuffled_each(places: tf.Tensor, keys: tf.Tensor, sizes: tf.Tensor) -> tf.Tensor:
    """Each place of a permutation of its own [0, size), by keys uint32 (batch, 3)."""
    # TensorFlow 2.21's `index_shuffle` fails with a key for each place: it pads the keys along the wrong axis.
    return tf.raw_ops.RandomIndexShuffle(index=places, seed=keys, max_index=sizes - 1, rounds=ROUNDS)
