"""Augmentation of prepared images: stateless, a batch at a time, keyed by (seed, transform, epoch, example index).

The recipe's transforms become few passes over the batch, each compiled by XLA: neighbours that move pixels compose into
one warp, neighbours that change values into one loop. (As a single function XLA would recompute the warp for every
reader of its pixels.)
"""

import functools
from collections.abc import Callable

import tensorflow as tf

from models.seeds import seed_for
from pipeline.augment.geometry import MAPS, Affine, flip_sides
from pipeline.augment.hashing import draws
from pipeline.augment.pixels import CHANGES
from pipeline.augment.warp import warp
from pipeline.recipe.augment import AugmentConfig, Flip, Geometric

Augmentation = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]
"""`(images, indices, epoch) -> images`; see `augmentation`."""

Keyed = tuple[int, AugmentConfig]
"""A transform and the key of its random numbers."""


def augmentation(transforms: tuple[AugmentConfig, ...], *, seed: int) -> Augmentation:
    """Builds the recipe's augmentation.

    Args:
        transforms: The recipe's `augment` section, in order.
        seed: The recipe's seed.

    Returns:
        A function of images (uint8 or float32 in [0, 255], (batch, height, width, channels), of static shape), their
        indices (integer (batch,)) and the epoch (integer scalar) that gives float32 images in [0, 255] of the same
        shape: eagerly or inside `tf.data.Dataset.map`, with the same pixels.
    """
    keyed = [(seed_for(seed, "augment", at, each.type), each) for at, each in enumerate(transforms)]
    stages = [_compiled(run) for run in _runs(keyed)]

    def augment(images: tf.Tensor, indices: tf.Tensor, epoch: tf.Tensor) -> tf.Tensor:
        indices, epoch = tf.cast(indices, tf.uint32), tf.cast(epoch, tf.uint32)
        for stage in stages:
            images = stage(images, indices, epoch)
        return tf.cast(images, tf.float32)

    return augment


def _runs(keyed: list[Keyed]) -> list[list[Keyed]]:
    """Divides transforms into runs that one pass over the batch can do."""
    runs: list[list[Keyed]] = []
    for each in keyed:
        if runs and _one_pass([*runs[-1], each]):
            runs[-1].append(each)
        else:
            runs.append([each])
    return runs


def _one_pass(run: list[Keyed]) -> bool:
    moves = {type(transform) in MAPS for _, transform in run}
    fills = {transform.fill for _, transform in run if isinstance(transform, Geometric)}
    return len(moves) == 1 and len(fills) <= 1


def _compiled(run: list[Keyed]) -> Augmentation:
    if all(isinstance(transform, Flip) for _, transform in run):
        stage = _mirror
    elif type(run[0][1]) in MAPS:
        stage = _move
    else:
        stage = _change
    compiled: Augmentation = tf.function(functools.partial(stage, run), jit_compile=True, autograph=False)
    return compiled


def _move(run: list[Keyed], images: tf.Tensor, indices: tf.Tensor, epoch: tf.Tensor) -> tf.Tensor:
    """Composes the maps of a run and resamples once."""
    size = images.shape[1], images.shape[2]
    maps = [MAPS[type(each)](each, draws(key, each.probability, indices, epoch), size) for key, each in run]
    fill = next(each.fill for _, each in run if isinstance(each, Geometric))
    return warp(images, functools.reduce(Affine.then, maps), fill)


def _mirror(run: list[Keyed], images: tf.Tensor, indices: tf.Tensor, epoch: tf.Tensor) -> tf.Tensor:
    """Swaps pixels without resampling: the same as `_move`, but faster where a run has flips only."""
    for key, each in run:
        assert isinstance(each, Flip)
        sides = flip_sides(each, draws(key, each.probability, indices, epoch))
        for axis, swapped in zip((1, 2), sides, strict=True):
            images = tf.where(tf.reshape(swapped, (-1, 1, 1, 1)), tf.reverse(images, (axis,)), images)
    return images


def _change(run: list[Keyed], images: tf.Tensor, indices: tf.Tensor, epoch: tf.Tensor) -> tf.Tensor:
    """Changes the values of pixels, in order."""
    images = tf.cast(images, tf.float32)
    for key, each in run:
        images = CHANGES[type(each)](each, draws(key, each.probability, indices, epoch), images)
    return images
