"""Fully connected networks, for any kind of data."""

import keras

from models.blocks import Blocks
from models.config import MlpConfig
from models.features import Features, flat_features
from models.spec import InputSpec


def build_mlp(config: MlpConfig, features: Features, inputs: InputSpec, blocks: Blocks) -> keras.KerasTensor:
    """Builds dense layers, each followed by dropout; tokens are embedded as wide as the first of them.

    Args:
        config: Widths of the layers.
        features: What `normalize` gives, of any kind.
        inputs: Kind and sizes of the data.
        blocks: Knobs of the model.

    Returns:
        `(batch, units[-1])`.
    """
    x = flat_features(features, inputs, blocks, embedding_dim=config.units[0])
    for i, units in enumerate(config.units, start=1):
        x = blocks.dense(x, units, f"dense_{i}")
        x = blocks.dropout(x, f"dropout_{i}")
    return x
