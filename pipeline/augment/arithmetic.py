"""What Keras's layers do to images; their random numbers, which are not keyed by example, are not used."""

import functools
from typing import Any

import keras
import tensorflow as tf

SEEDED = ("RandomColorDegeneration", "RandomHue", "RandomPosterization", "RandomSaturation", "RandomSharpness")
"""Layers that take a seed."""


def transformed(
    layer: str, images: tf.Tensor, transformation: Any = None, *, white: float, first: float | None = None
) -> tf.Tensor:
    """Changes images as a layer of Keras does.

    Args:
        layer: Class in `keras.layers`.
        images: float32 (batch, height, width, channels), in [0, white].
        transformation: What the layer would draw by chance, as its `get_random_transformation` gives it.
        white: Upper end of the range of values.
        first: First argument of the layer, where it has one that must be given.
    """
    return _layer(layer, white, first).transform_images(images, transformation)


@functools.cache
def _layer(name: str, white: float, first: float | None) -> keras.Layer:
    """A layer, made when it is first used: that starts TensorFlow, which fixes the number of its threads."""
    options = {"seed": 0} if name in SEEDED else {}
    arguments = () if first is None else (first,)
    # A step of a dataset may be the first to ask: what it makes must outlive the graph of that step.
    with tf.init_scope():
        return getattr(keras.layers, name)(
            *arguments, value_range=(0, white), dtype="float32", name=name.lower(), **options
        )
