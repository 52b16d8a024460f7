"""The recipe's `model` section: one class per family, told apart by `type`. No Keras here."""

from typing import Annotated, Any, Literal

from pydantic import Field

from models.section import Section

Sizes = Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(strict=False, min_length=1)]
Initializer = str | dict[str, Any]
"""A Keras name (`he_normal`), or `{type: variance_scaling, scale: 2.0}`; `auto` chooses by activation."""


class ModelSection(Section):
    """What every family of models has."""

    output_activation: Literal["auto", "softmax", "sigmoid", "linear"] = "auto"
    """Activation of the last layer; auto: softmax for classes, sigmoid for binary and multi-label, linear for
    regression."""


class Knobs(ModelSection):
    """The techniques that every built-in family takes; `models/blocks.py` applies them."""

    activation: str = "relu"
    """Keras name of the activation after each hidden layer."""
    kernel_initializer: Initializer = "auto"
    """Keras name, or {type: name, argument: value}; auto: He for ReLU-like activations, Glorot for tanh and sigmoid,
    LeCun for SELU."""
    batch_norm: bool = False
    """Batch normalisation between each hidden layer and its activation (the layer's bias is dropped)."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of units dropped after each hidden block, in [0, 1)."""
    l1: float = Field(0.0, ge=0)
    """Weight of the L1 penalty on kernels (biases and norm parameters are exempt)."""
    l2: float = Field(0.0, ge=0)
    """Weight of the L2 penalty on kernels (biases and norm parameters are exempt)."""


class MlpConfig(Knobs):
    """Fully connected layers; takes any kind of example (images are flattened, tokens are averaged embeddings)."""

    type: Literal["mlp"]
    """Family of the model."""
    units: Sizes = (128, 64)
    """Width of each hidden layer."""


class CnnConfig(Knobs):
    """Blocks of convolution, batch norm, activation, max-pooling and dropout, then one dense layer; takes images."""

    type: Literal["cnn"]
    """Family of the model."""
    filters: Sizes = (32, 64)
    """Filters of each block, one entry a block."""
    kernel_size: int = Field(3, ge=1)
    """Side of the convolution window, in pixels."""
    convolutions: int = Field(1, ge=1)
    """Convolutions in each block, before its pooling."""
    pool_size: int = Field(2, ge=1)
    """Side of the max-pooling window after each block, in pixels; 1: no pooling."""
    units: int = Field(128, ge=0)
    """Width of the dense layer before the output; 0: none."""


class TextConfig(Knobs):
    """An embedding of the tokens, then an encoder over the sequence, then one dense layer; takes texts."""

    type: Literal["text"]
    """Family of the model."""
    embedding_dim: int = Field(64, ge=1)
    """Size of a token's embedding."""
    encoder: Literal["pooling", "conv1d"] = "pooling"
    """pooling: mean over the tokens, without padding; conv1d: 1-D convolutions, then the maximum over the sequence."""
    filters: Sizes = (128,)
    """Filters of each 1-D convolution (encoder conv1d)."""
    kernel_size: int = Field(5, ge=1)
    """Width of the convolution, in tokens (encoder conv1d)."""
    units: int = Field(64, ge=0)
    """Width of the dense layer before the output; 0: none."""


class LayersConfig(ModelSection):
    """An explicit list of Keras layers, in order; the output layer is added from the task."""

    type: Literal["layers"]
    """Family of the model."""
    layers: Annotated[tuple[dict[str, Any], ...], Field(strict=False, min_length=1)]
    """Keras layers: `{type: Dense, units: 64, activation: relu}`; every argument of the Keras class can be given."""
    add_output: bool = True
    """Whether the output layer of the task is added after the list; false: the last layer of the list is the output."""


ModelConfig = Annotated[MlpConfig | CnnConfig | TextConfig | LayersConfig, Field(discriminator="type")]
