"""Mixup and CutMix: pairs of examples of a batch and their labels become one.

Each example has a partner, by a permutation of the batch that depends on the epoch and the step. Whether it is mixed,
and how much of itself stays, depends on the example and the epoch, as with every transform.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from models.seeds import seed_for
from pipeline.augment.beta import beta
from pipeline.augment.fused import fused
from pipeline.augment.hashing import Draws, draws, fold
from pipeline.augment.pixels import covered
from pipeline.recipe.augment import MIXING, AugmentConfig, CutMix, Mixup

Inputs = dict[str, tf.Tensor]


class Pairs(NamedTuple):
    """The examples of a batch, each with its partner."""

    inputs: Inputs
    others: Inputs


class Mixed(NamedTuple):
    """Examples that were mixed."""

    inputs: Inputs
    kept: tf.Tensor
    """Share of the example itself in each, float32 (batch,), in [0, 1]; its partner has the rest."""


class Step(NamedTuple):
    """Where in the run a batch stands; integer scalars."""

    epoch: tf.Tensor
    step: tf.Tensor
    """In the epoch."""
    count: tf.Tensor
    """Examples in the batch; what lies behind them fills it up and is nobody's partner."""


Mixing = Callable[[Inputs, tf.Tensor, tf.Tensor, Step], tuple[Inputs, tf.Tensor]]
"""`(inputs, labels, keys, step) -> (inputs, labels)`; see `mixing`."""


def mixing(transforms: tuple[AugmentConfig, ...], *, seed: int) -> Mixing | None:
    """Builds what mixes examples and labels; None where the recipe has nothing of the kind.

    Args:
        transforms: The recipe's `augment` section.
        seed: The recipe's seed.

    Returns:
        A function of inputs by name, each (batch, ...); labels float32 (batch,) in [0, 1] or (batch, num_classes);
        integer (batch,) that tell examples apart; and the step. It gives inputs and labels of the same shapes.
    """
    keyed = [
        (seed_for(seed, "augment", at, each.type), each) for at, each in enumerate(transforms) if each.type in MIXING
    ]

    def mix(inputs: Inputs, labels: tf.Tensor, keys: tf.Tensor, step: Step) -> tuple[Inputs, tf.Tensor]:
        for key, each in keyed:
            other = partners(key, step, keys.shape[0])
            pairs = Pairs(inputs, {name: tf.gather(tensor, other) for name, tensor in inputs.items()})
            drawn = draws(key, each.probability, tf.cast(keys, tf.uint32), tf.cast(step.epoch, tf.uint32))
            inputs, kept = MIXES[type(each)](each, drawn, pairs)
            kept = tf.reshape(kept, (-1, *(1 for _ in labels.shape[1:])))
            labels = kept * labels + (1.0 - kept) * tf.gather(labels, other)
        return inputs, labels

    return mix if keyed else None


def partners(key: int, step: Step, batch_size: int) -> tf.Tensor:
    """Permutes the first `count` places of a batch; int64 (batch,)."""
    state = fold(fold(fold(tf.constant(key, tf.uint32), step.epoch), step.step), tf.range(2))
    last = tf.cast(step.count, tf.int64) - 1
    return tf.random.experimental.index_shuffle(tf.minimum(tf.range(batch_size, dtype=tf.int64), last), state, last)


@fused
def mixup(transform: Mixup, draws: Draws, pairs: Pairs) -> Mixed:
    """Averages examples with a weight from Beta(alpha, alpha) (Zhang et al. 2018)."""
    kept = tf.where(draws.chosen(), beta(transform.alpha, draws.uniform(1, 0.0, 1.0)), 1.0)
    mixed = {}
    for name, tensor in pairs.inputs.items():
        other = pairs.others[name]
        if name == "categories":
            own = draws.units(2, tuple(tensor.shape[1:])) < kept[:, tf.newaxis]
            mixed[name] = tf.where(own, tensor, other)
        else:
            weight = tf.reshape(kept, (-1, *(1 for _ in tensor.shape[1:])))
            mixed[name] = weight * tf.cast(tensor, tf.float32) + (1.0 - weight) * tf.cast(other, tf.float32)
    return Mixed(mixed, kept)


@fused
def cutmix(transform: CutMix, draws: Draws, pairs: Pairs) -> Mixed:
    """Pastes a rectangle of the partner in, of the image's proportions, centred anywhere in it (Yun et al. 2019)."""
    images, others = pairs.inputs["image"], pairs.others["image"]
    _, height, width, _ = images.shape
    side = tf.sqrt(1.0 - tf.where(draws.chosen(), beta(transform.alpha, draws.uniform(1, 0.0, 1.0)), 1.0))
    rows = covered(draws.uniform(2, 0.0, height), tf.floor(side * height), height)
    columns = covered(draws.uniform(3, 0.0, width), tf.floor(side * width), width)
    pasted = rows[:, :, tf.newaxis, tf.newaxis] & columns[:, tf.newaxis, :, tf.newaxis]
    area = tf.math.count_nonzero(rows, axis=1, dtype=tf.int32) * tf.math.count_nonzero(columns, axis=1, dtype=tf.int32)
    kept = 1.0 - tf.cast(area, tf.float32) / (height * width)
    mixed = tf.where(pasted, tf.cast(others, tf.float32), tf.cast(images, tf.float32))
    return Mixed({**pairs.inputs, "image": mixed}, kept)


MIXES: dict[type, Callable[[Any, Draws, Pairs], Mixed]] = {Mixup: mixup, CutMix: cutmix}
"""Transform to its function: `(transform, draws, pairs) -> Mixed`."""
