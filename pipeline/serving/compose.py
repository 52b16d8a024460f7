"""The exported model: raw tensors -> prepared tensors -> outputs, in one Keras model."""

from pathlib import Path

import keras

from models import pretrained, registered  # noqa: F401  (register the layers that saved models hold)
from pipeline.serving import layers, scaling  # noqa: F401  (the same)


def compose(prepare: keras.Model, network: keras.Model) -> keras.Model:
    """Joins what was fitted by preprocess with the trained network.

    Args:
        prepare: Raw tensors -> prepared tensors, both by name (`prepare.keras`).
        network: Prepared tensors by name -> outputs (`network.keras`).

    Returns:
        Raw tensors by name -> outputs. It shares the weights of both.
    """
    raw = {
        tensor.name: keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=tensor.name)
        for tensor in prepare.inputs
    }
    return keras.Model(raw, network(prepare(raw)), name="model")


def load_model(path: Path) -> keras.Model:
    """Loads any model of ours, under Keras's safe mode.

    Args:
        path: A `.keras` file.
    """
    return keras.saving.load_model(path, compile=False, safe_mode=True)
