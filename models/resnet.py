"""Residual networks of pre-activation blocks (He et al. 2016), for images."""

import keras

from models.blocks import Blocks
from models.config import ResnetConfig
from models.depth import drop_rates
from models.features import Features, image_features
from models.spec import InputSpec


def build_resnet(config: ResnetConfig, features: Features, inputs: InputSpec, blocks: Blocks) -> keras.KerasTensor:
    """Builds a convolution, the stages of residual blocks, and the mean over all pixels.

    Args:
        config: Filters and blocks.
        features: `image`, float32 `(batch, height, width, channels)`.
        inputs: Kind of the data.
        blocks: Knobs of the model.

    Returns:
        `(batch, filters[-1])`.

    Raises:
        ModelError: If the data is no image, or too small for so many stages.
    """
    smallest, needs = 2 ** (len(config.filters) - 1), f"{len(config.filters)} stages"
    image = image_features("resnet", features, inputs, smallest=smallest, needs=needs, instead="another family")
    x = blocks.convolve(image, config.filters[0], config.kernel_size, "stem", normalized=True)
    rates = drop_rates(config.stochastic_depth, len(config.filters) * config.blocks)
    for i, filters in enumerate(config.filters, start=1):
        for j in range(1, config.blocks + 1):
            strides = 2 if i > 1 and j == 1 else 1
            x = _block(config, x, filters, strides, blocks, f"stage_{i}_block_{j}", next(rates))
    x = blocks.activate(blocks.normalize(x, "last"), "last")
    return keras.layers.GlobalAveragePooling2D(name="mean_over_pixels", dtype=blocks.policy)(x)


def _block(
    config: ResnetConfig,
    x: keras.KerasTensor,
    filters: int,
    strides: int,
    blocks: Blocks,
    name: str,
    drop_rate: float,
) -> keras.KerasTensor:
    branch = blocks.activate(blocks.normalize(x, f"{name}_1"), f"{name}_1")
    if strides > 1 or x.shape[-1] != filters:
        x = blocks.convolve(branch, filters, 1, f"{name}_shortcut", strides=strides, normalized=True)
    branch = blocks.convolve(branch, filters, config.kernel_size, f"{name}_conv_1", strides=strides, normalized=True)
    branch = blocks.activate(blocks.normalize(branch, f"{name}_2"), f"{name}_2")
    branch = blocks.dropout(branch, f"{name}_dropout")
    branch = blocks.convolve(
        branch, filters, config.kernel_size, f"{name}_conv_2", normalized=True, zero=config.zero_gamma
    )
    return blocks.residual(x, branch, name, drop_rate=drop_rate)
