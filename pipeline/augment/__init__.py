"""Augmentation of prepared examples: stateless, a batch at a time, keyed by (seed, transform, epoch, example index)."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from models.seeds import seed_for
from pipeline.augment import rows, tokens
from pipeline.augment.hashing import draws
from pipeline.augment.images import augmentation
from pipeline.errors import UserError
from pipeline.recipe.augment import MIXING, OF_COLOURS, AugmentConfig

__all__ = ["Augmenter", "Inputs", "augmentation", "augmenter"]

Inputs = dict[str, tf.Tensor]

Augmenter = Callable[[Inputs, tf.Tensor, tf.Tensor], Inputs]
"""`(inputs, keys, epoch) -> inputs`; see `augmenter`."""


def augmenter(transforms: tuple[AugmentConfig, ...], arrays: dict[str, np.ndarray], *, seed: int) -> Augmenter | None:
    """Builds what changes single examples; None where the recipe has nothing of the kind.

    Args:
        transforms: The recipe's `augment` section, in order; what mixes examples is left out (`mixing.py` has it).
        arrays: Prepared tensors of the training split, by name: they say what kind the examples are, and some
            transforms take statistics or values from them.
        seed: The recipe's seed.

    Returns:
        A function of inputs by name, each (batch, ...) and of static shape; integers (batch,) that tell examples
        apart; and the epoch, an integer scalar. It gives inputs of the same shapes, images as float32 in [0, 255].

    Raises:
        UserError: If a transform does not fit the examples, or would change nothing.
    """
    single = tuple(each for each in transforms if each.type not in MIXING)
    if not single:
        return None
    if "image" in arrays:
        return _of_images(single, arrays["image"].shape[-1], seed)
    return _of_tokens(single, seed) if "tokens" in arrays else _of_rows(single, arrays, seed)


def _of_images(transforms: tuple[AugmentConfig, ...], num_channels: int, seed: int) -> Augmenter:
    for at, each in enumerate(transforms):
        if each.type in OF_COLOURS and num_channels == 1:
            raise UserError(f"augment.{at}.type: `{each.type}` changes colours; the images are grey. Remove it")
    change = augmentation(transforms, seed=seed)
    return lambda inputs, keys, epoch: {**inputs, "image": change(inputs["image"], keys, epoch)}


def _of_tokens(transforms: tuple[AugmentConfig, ...], seed: int) -> Augmenter:
    def augment(inputs: Inputs, keys: tf.Tensor, epoch: tf.Tensor) -> Inputs:
        changed = inputs["tokens"]
        for at, each in enumerate(transforms):
            drawn = draws(seed_for(seed, "augment", at, each.type), each.probability, keys, epoch)
            changed = tokens.CHANGES[type(each)](each, drawn, changed)
        return {**inputs, "tokens": changed}

    return augment


def _of_rows(transforms: tuple[AugmentConfig, ...], arrays: dict[str, np.ndarray], seed: int) -> Augmenter:
    changes = [rows.CHANGES[type(each)](each, arrays) for each in transforms]

    def augment(inputs: Inputs, keys: tf.Tensor, epoch: tf.Tensor) -> Inputs:
        for at, (each, change) in enumerate(zip(transforms, changes, strict=True)):
            drawn = draws(seed_for(seed, "augment", at, each.type), each.probability, keys, epoch)
            inputs = change(drawn, inputs)
        return inputs

    return augment
