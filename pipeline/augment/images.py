"""Augmentation of prepared images.

The recipe's transforms become few passes over the batch, each compiled by XLA: neighbours that move pixels compose into
one warp, neighbours that change values into one loop. (As a single function XLA would recompute the warp for every
reader of its pixels.)
"""

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from models.seeds import seed_for
from pipeline.augment.elastic import elastic
from pipeline.augment.filters import blur, jpeg
from pipeline.augment.fused import fused
from pipeline.augment.geometry import MAPS, Affine, flip_sides
from pipeline.augment.hashing import Draws, draws
from pipeline.augment.pixels import CHANGES
from pipeline.augment.policies import aug_mix, rand_augment, trivial_augment
from pipeline.augment.warp import Fill, warp
from pipeline.recipe.augment import (
    AugmentConfig,
    AugMix,
    Blur,
    Elastic,
    Flip,
    Geometric,
    Jpeg,
    RandAugment,
    TrivialAugment,
)

Augmentation = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]
"""`(images, indices, epoch) -> images`; see `augmentation`."""

PASSES: dict[type, Callable[[Any, Draws, tf.Tensor], tf.Tensor]] = {
    Elastic: elastic,
    Blur: blur,
    Jpeg: jpeg,
    RandAugment: rand_augment,
    TrivialAugment: trivial_augment,
    AugMix: aug_mix,
}
"""Transforms that are a pass of their own, and see to their compilation: `(transform, draws, images) -> images`."""

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
    if any(type(transform) in PASSES for _, transform in run):
        return False
    moves = {type(transform) in MAPS for _, transform in run}
    fills = {transform.fill for _, transform in run if isinstance(transform, Geometric)}
    return len(moves) == 1 and len(fills) <= 1


def _compiled(run: list[Keyed]) -> Augmentation:
    if type(run[0][1]) in PASSES:
        return functools.partial(_pass, *run)
    if all(isinstance(transform, Flip) for _, transform in run):
        stage = _mirror
    elif type(run[0][1]) in MAPS:
        stage = _move
    else:
        stage = _change
    return fused(functools.partial(stage, run))


def _move(run: list[Keyed], images: tf.Tensor, indices: tf.Tensor, epoch: tf.Tensor) -> tf.Tensor:
    """Composes the maps of a run and resamples once."""
    size = images.shape[1], images.shape[2]
    maps = [MAPS[type(each)](each, draws(key, each.probability, indices, epoch), size) for key, each in run]
    # What lies beyond the border is seen by none of the transforms that have no fill.
    fills: list[Fill] = [each.fill for _, each in run if isinstance(each, Geometric)]
    return warp(images, functools.reduce(Affine.then, maps), fills[0] if fills else "nearest")


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


def _pass(keyed: Keyed, images: tf.Tensor, indices: tf.Tensor, epoch: tf.Tensor) -> tf.Tensor:
    key, each = keyed
    return PASSES[type(each)](each, draws(key, each.probability, indices, epoch), images)
