"""Convolutional networks, for images."""

import keras

from models.blocks import Blocks
from models.config import CnnConfig
from models.features import Features, image_features
from models.spec import InputSpec


def build_cnn(config: CnnConfig, features: Features, inputs: InputSpec, blocks: Blocks) -> keras.KerasTensor:
    """Builds blocks of convolutions, max-pooling and dropout, then one dense layer.

    Args:
        config: Filters, windows and width.
        features: `image`, float32 `(batch, height, width, channels)`.
        inputs: Kind of the data.
        blocks: Knobs of the model.

    Returns:
        `(batch, units)`, or the flattened last block where `units` is 0.

    Raises:
        ModelError: If the data is no image, or too small for so many poolings.
    """
    smallest = config.pool_size ** len(config.filters)
    needs = f"{len(config.filters)} blocks with model.pool_size {config.pool_size}"
    x = image_features("cnn", features, inputs, smallest=smallest, needs=needs, instead="pool_size: 1")
    for i, filters in enumerate(config.filters, start=1):
        for j in range(1, config.convolutions + 1):
            x = blocks.conv(x, filters, config.kernel_size, f"block_{i}_conv_{j}")
        if config.pool_size > 1:
            x = keras.layers.MaxPooling2D(config.pool_size, name=f"block_{i}_pooling", dtype=blocks.policy)(x)
        x = blocks.dropout(x, f"block_{i}_dropout")
    x = keras.layers.Flatten(name="flatten", dtype=blocks.policy)(x)
    if config.units:
        x = blocks.dropout(blocks.dense(x, config.units, "dense"), "dropout")
    return x
