"""The Keras layer of temperature scaling: import this module before loading a model that holds it."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from pipeline.serving.layers import register

SMALLEST_PROBABILITY = 1e-12
"""Smaller ones, as float32 gives, count as this before the logarithm."""


@register
class Temperature(keras.layers.Layer):  # type: ignore[misc]
    """Divides the logits of probabilities by a number: the same predictions, other probabilities.

    Input and output: float32 `(batch, num_classes)`, which sum to 1, or `(batch, 1)`, the probability of class 1.

    Args:
        temperature: Above 1 makes answers less sure.
    """

    def __init__(self, temperature: float, **kwargs: Any):
        super().__init__(**kwargs)
        self.temperature = temperature

    def call(self, probabilities: tf.Tensor) -> tf.Tensor:
        """Scales a batch."""
        return scaled(probabilities, self.temperature)

    def get_config(self) -> dict[str, Any]:
        """What `__init__` takes."""
        return {**super().get_config(), "temperature": self.temperature}


def scaled(probabilities: Any, temperature: float) -> Any:
    """Divides the logits of probabilities, of one class or of all, by a temperature; NumPy or Keras arrays."""
    of = np if isinstance(probabilities, np.ndarray) else ops
    if probabilities.shape[-1] == 1:
        odds = of.log(of.maximum(probabilities, SMALLEST_PROBABILITY))
        odds = odds - of.log(of.maximum(1 - probabilities, SMALLEST_PROBABILITY))
        # The sigmoid, which does not overflow in this form.
        return (1 + of.tanh(odds / temperature / 2)) / 2
    logits = of.log(of.maximum(probabilities, SMALLEST_PROBABILITY)) / temperature
    powers = of.exp(logits - of.max(logits, axis=-1, keepdims=True))
    return powers / of.sum(powers, axis=-1, keepdims=True)


def with_temperature(network: keras.Model, temperature: float) -> keras.Model:
    """Adds temperature scaling behind a network of probabilities.

    Args:
        network: Prepared tensors by name -> probabilities.
        temperature: See `Temperature`.
    """
    inputs = {tensor.name: tensor for tensor in network.inputs}
    return keras.Model(inputs, Temperature(temperature, name="temperature")(network.output), name=network.name)
