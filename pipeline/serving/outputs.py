"""What a model says of many examples: the one way to ask it, in evaluation, in the check and in serving."""

from collections.abc import Callable, Mapping

import keras
import numpy as np
import tensorflow as tf

BATCH_SIZE = 256
"""Examples in a call. Outputs are reproducible to the bit only in batches of the same size."""


def predictor(model: keras.Model) -> Callable[[Mapping[str, np.ndarray]], np.ndarray]:
    """Compiles a model's inference once, for batches of any size.

    Keras's `predict` would trace, and under XLA compile, anew for new sizes of a request.

    Args:
        model: Tensors by name -> outputs of shape (batch, num_outputs).

    Returns:
        A function of arrays by name, each (num_examples, ...), to the float32 outputs (num_examples, num_outputs).
    """
    specs = {tensor.name: tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in model.inputs}

    @tf.function(input_signature=[specs])  # type: ignore[untyped-decorator]
    def infer(tensors: dict[str, tf.Tensor]) -> tf.Tensor:
        return model(tensors, training=False)

    def predict(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        num_examples = len(next(iter(arrays.values())))
        batches = [
            infer({name: tf.cast(arrays[name][first : first + BATCH_SIZE], spec.dtype) for name, spec in specs.items()})
            for first in range(0, num_examples, BATCH_SIZE)
        ]
        return np.concatenate(batches) if batches else np.empty((0, model.output.shape[-1]), np.float32)

    return predict
