"""ConvNeXt networks (Liu et al. 2022), for images."""

import keras

from models.blocks import Blocks
from models.config import ConvnextConfig
from models.depth import drop_rates
from models.features import Features, image_features
from models.registered import LayerScale
from models.spec import InputSpec


def build_convnext(config: ConvnextConfig, features: Features, inputs: InputSpec, blocks: Blocks) -> keras.KerasTensor:
    """Builds patches, the stages of blocks with halvings between them, and the mean over all pixels.

    Args:
        config: Filters, blocks and windows.
        features: `image`, float32 `(batch, height, width, channels)`.
        inputs: Kind of the data.
        blocks: Knobs of the model.

    Returns:
        `(batch, filters[-1])`.

    Raises:
        ModelError: If the data is no image, or too small for so many stages.
    """
    smallest = config.patch_size * 2 ** (len(config.filters) - 1)
    needs = f"{len(config.filters)} stages with model.patch_size {config.patch_size}"
    x = image_features("convnext", features, inputs, smallest=smallest, needs=needs, instead="patch_size: 1")
    rates = drop_rates(config.stochastic_depth, len(config.filters) * config.blocks)
    for i, filters in enumerate(config.filters, start=1):
        if i == 1:
            size, name = config.patch_size, "patches"
            x = blocks.convolve(x, filters, size, name, strides=size, normalized=True)
            x = blocks.normalize(x, name)
        else:
            x = blocks.normalize(x, f"halving_{i}")
            x = blocks.convolve(x, filters, 2, f"halving_{i}", strides=2)
        for j in range(1, config.blocks + 1):
            x = _block(config, x, blocks, f"stage_{i}_block_{j}", next(rates))
    x = keras.layers.GlobalAveragePooling2D(name="mean_over_pixels", dtype=blocks.policy)(x)
    return blocks.normalize(x, "last")


def _block(
    config: ConvnextConfig, x: keras.KerasTensor, blocks: Blocks, name: str, drop_rate: float
) -> keras.KerasTensor:
    filters = x.shape[-1]
    branch = blocks.normalize(blocks.depthwise(x, config.kernel_size, f"{name}_depthwise"), name)
    branch = blocks.project(branch, config.expansion * filters, f"{name}_dense_1", activation=blocks.knobs.activation)
    branch = blocks.project(blocks.activate(branch, name), filters, f"{name}_dense_2")
    branch = blocks.dropout(branch, f"{name}_dropout")
    if config.layer_scale is not None:
        branch = LayerScale(config.layer_scale, name=f"{name}_scale", dtype=blocks.policy)(branch)
    return blocks.residual(x, branch, name, drop_rate=drop_rate)
