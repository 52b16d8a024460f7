"""Normalisation: prepared tensors to what the first layer of the network takes."""

from typing import Any

import keras
import numpy as np

from pipeline.preprocess.statistics import statistics
from pipeline.recipe.preprocess import PreprocessConfig
from pipeline.serving.raw import Array, number_columns
from pipeline.serving.signature import Signature


def fit_normalize(
    section: PreprocessConfig, signature: Signature, train: dict[str, Array]
) -> tuple[keras.Model, dict[str, Any]]:
    """Builds the model that normalises, fitted on the prepared training split.

    Images come out as float32 of the same shape, given as uint8 or as float32 in [0, 255]; numbers as float32, with
    indicators of missing values left 0 and 1; categories and tokens as the int32 that they are.

    Args:
        section: Resolved for the kind of data.
        signature: With the shapes of the prepared tensors.
        train: Prepared tensors of the training split, memory-mapped or not.

    Returns:
        Prepared tensors by name -> network inputs by the same names; and what was fitted.
    """
    inputs, outputs, facts = {}, {}, {}
    for name, shape in signature.shapes:
        is_index = train[name].dtype == np.int32
        inputs[name] = keras.Input(shape, dtype="int32" if is_index else "float32", name=name)
        if is_index or section.normalize == "none":
            layers = [keras.layers.Identity(name=f"{name}_as_is", dtype=inputs[name].dtype)]
        elif name == "image":
            layers, facts[name] = _for_images(section.normalize, train[name])
        else:
            layers, facts[name] = _for_numbers(section.normalize, train[name], len(number_columns(signature)))
        outputs[name] = inputs[name]
        for layer in layers:
            outputs[name] = layer(outputs[name])
    return keras.Model(inputs, outputs, name="normalize"), facts


def _for_images(method: str, images: Array) -> tuple[list[keras.Layer], dict[str, Any]]:
    if method == "unit":
        return [keras.layers.Rescaling(1 / 255, name=method, dtype="float32")], {"scale": 1 / 255}
    if method == "per_image":
        # The epsilon, in squared grey levels, keeps a blank image from being divided by nothing.
        layer = keras.layers.LayerNormalization(
            axis=(1, 2, 3), center=False, scale=False, epsilon=1e-2, name=method, dtype="float32"
        )
        return [layer], {}
    found = statistics(images)
    return _shift_and_scale(found.mean, np.sqrt(found.variance))


def _for_numbers(method: str, numbers: Array, num_columns: int) -> tuple[list[keras.Layer], dict[str, Any]]:
    """Scales the first `num_columns` columns; those after them are indicators."""
    found = statistics(numbers)
    offset, spread = found.mean, np.sqrt(found.variance)
    if method == "unit":
        offset, spread = found.minimum, found.maximum - found.minimum
    is_indicator = np.arange(numbers.shape[1]) >= num_columns
    return _shift_and_scale(np.where(is_indicator, 0.0, offset), np.where(is_indicator, 1.0, spread))


def _shift_and_scale(offset: Array, spread: Array) -> tuple[list[keras.Layer], dict[str, Any]]:
    """`(x - offset) / spread` over the last axis; what has one value only is shifted to 0 and not scaled.

    Keras's own `Normalization` keeps the variance, and a floor of 1e-7 under its root: columns of very small or very
    large numbers would come out unscaled.
    """
    spread = np.where(spread > np.finfo("float32").tiny, spread, 1.0)
    layers = [
        keras.layers.Rescaling(1.0, offset=(-offset).tolist(), name="shift", dtype="float32"),
        keras.layers.Rescaling((1 / spread).tolist(), name="scale", dtype="float32"),
    ]
    return layers, {"offset": offset.tolist(), "spread": spread.tolist()}
