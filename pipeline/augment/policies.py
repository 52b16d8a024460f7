"""RandAugment, TrivialAugment and AugMix."""

import tensorflow as tf

from pipeline.augment.hashing import Draws
from pipeline.augment.operations import OPERATIONS, Chosen, Space, names_for, operate
from pipeline.recipe.augment import AugMix, RandAugment, TrivialAugment

RAND_AUGMENT = Space(degrees=30.0, slope=0.3, shift=150 / 331, enhance=0.9, bits=(8, 4))
"""Full strength, magnitude 30, of Cubuk et al. 2020; their shift is of 150 of 331 pixels."""

TRIVIAL_AUGMENT = Space(degrees=135.0, slope=0.99, shift=32 / 224, enhance=0.99, bits=(8, 2))
"""The wide space of Müller and Hutter 2021, table 7; their shift is of 32 pixels, here as a share of 224."""

AUG_MIX = Space(degrees=30.0, slope=0.3, shift=1 / 3, enhance=0.0, bits=(4, 1))
"""Full strength, level 10, of Hendrycks et al. 2020."""

AUG_MIX_OPERATIONS = tuple(
    name for name in OPERATIONS if name not in ("identity", "color", "contrast", "brightness", "sharpness")
)
"""Those that the corruptions on which AugMix is judged do not have."""

MAX_MAGNITUDE, MAX_SEVERITY, MIN_LEVEL = 30.0, 10.0, 0.1
STREAMS = 3
"""Random numbers that one operation takes."""


def rand_augment(transform: RandAugment, draws: Draws, images: tf.Tensor) -> tf.Tensor:
    """Does `num_ops` operations in a row, each drawn for each example, at one strength."""
    original = images = tf.cast(images, tf.float32)
    strength = tf.fill(tf.shape(draws.state), transform.magnitude / MAX_MAGNITUDE)
    for step in range(transform.num_ops):
        images = operate(images, _drawn(draws, step, names_for(images), strength), RAND_AUGMENT)
    return tf.where(_an_image(draws.chosen()), images, original)


def trivial_augment(_: TrivialAugment, draws: Draws, images: tf.Tensor) -> tf.Tensor:
    """Does one operation, drawn for each example as its strength is."""
    images = tf.cast(images, tf.float32)
    chosen = _drawn(draws, 0, names_for(images), _strength(draws, 0, 0.0, 1.0))
    return tf.where(_an_image(draws.chosen()), operate(images, chosen, TRIVIAL_AUGMENT), images)


def aug_mix(transform: AugMix, draws: Draws, images: tf.Tensor) -> tf.Tensor:
    """Averages the ends of `width` chains, and that average with the original."""
    images = tf.cast(images, tf.float32)
    # Numbers of an exponential distribution, divided by their sum, are of Dirichlet(1, ..., 1).
    weights = -tf.math.log(1.0 - draws.units(_past(transform), (transform.width,)))
    weights /= tf.reduce_sum(weights, axis=1, keepdims=True)
    average = tf.add_n(
        [_an_image(weights[:, chain]) * _chain(transform, draws, images, chain) for chain in range(transform.width)]
    )
    kept = _an_image(draws.uniform(_past(transform) + 1, 0.0, 1.0))
    return tf.where(_an_image(draws.chosen()), kept * images + (1.0 - kept) * average, images)


def _chain(transform: AugMix, draws: Draws, images: tf.Tensor, chain: int) -> tf.Tensor:
    """Does between one and `depth` operations in a row."""
    depth = 1 + draws.integer(_past(transform) + 2 + chain, transform.depth)
    for step in range(transform.depth):
        place = chain * transform.depth + step
        strength = _strength(draws, place, MIN_LEVEL / MAX_SEVERITY, transform.severity / MAX_SEVERITY)
        drawn = _drawn(draws, place, AUG_MIX_OPERATIONS, strength)
        images = operate(images, drawn._replace(operation=tf.where(step < depth, drawn.operation, -1)), AUG_MIX)
    return images


def _past(transform: AugMix) -> int:
    """The first stream behind those of the operations."""
    return 1 + STREAMS * transform.width * transform.depth


def _drawn(draws: Draws, place: int, names: tuple[str, ...], strength: tf.Tensor) -> Chosen:
    """Draws an operation for each example, and the direction of its strength; `place` tells operations apart."""
    first = 1 + STREAMS * place
    numbers = tf.constant([OPERATIONS.index(name) for name in names])
    sign = tf.where(draws.uniform(first + 1, 0.0, 1.0) < 0.5, -1.0, 1.0)
    return Chosen(tf.gather(numbers, draws.integer(first, len(names))), sign * strength)


def _strength(draws: Draws, place: int, low: float, high: float) -> tf.Tensor:
    return draws.uniform(1 + STREAMS * place + 2, low, high)


def _an_image(values: tf.Tensor) -> tf.Tensor:
    return tf.reshape(values, (-1, 1, 1, 1))
