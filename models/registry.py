"""From a recipe's `model` section to a Keras model: one builder a family."""

from collections.abc import Callable

import keras

from models.blocks import Blocks
from models.cnn import build_cnn
from models.config import (
    CnnConfig,
    ConvnextConfig,
    CustomConfig,
    LayersConfig,
    MlpConfig,
    ModelConfig,
    ResnetConfig,
    TabularConfig,
    TextConfig,
)
from models.convnext import build_convnext
from models.custom import build_custom
from models.errors import ModelError
from models.knobs import Knobs, ModelSection
from models.layers import build_layers
from models.mlp import build_mlp
from models.resnet import build_resnet
from models.spec import InputSpec, OutputSpec
from models.tabular import build_tabular
from models.text import build_text

BUILDERS: dict[type[ModelSection], Callable[..., keras.KerasTensor]] = {
    MlpConfig: build_mlp,
    CnnConfig: build_cnn,
    ResnetConfig: build_resnet,
    ConvnextConfig: build_convnext,
    TextConfig: build_text,
    TabularConfig: build_tabular,
    LayersConfig: build_layers,
    CustomConfig: build_custom,
}
"""Class of a configuration to what builds it: `(config, features, inputs, blocks) -> features`."""


def build(
    config: ModelConfig,
    normalize: keras.Model,
    inputs: InputSpec,
    output: OutputSpec,
    *,
    seed: int,
    policy: str = "float32",
) -> keras.Model:
    """Builds the network: prepared tensors -> normalize -> the family's layers -> output.

    Equal arguments give bit-identical weights, whatever was built before in the process.

    Args:
        config: The recipe's `model` section.
        normalize: Prepared tensors by name -> network inputs by name; it becomes part of the network.
        inputs: Kind and sizes of the prepared tensors.
        output: What the network says.
        seed: Seed of the initial weights and of the dropout masks.
        policy: Keras dtype policy of the layers between normalisation and output.

    Returns:
        Not compiled; prepared tensors by name (uint8 images are cast to float32) -> float32 `(batch, num_outputs)`:
        probabilities for classes, values for regression. Its output layer is named `output`.

    Raises:
        ModelError: If the section does not fit the data.
    """
    prepared = {t.name: keras.Input(batch_shape=t.shape, dtype=t.dtype, name=t.name) for t in normalize.inputs}
    blocks = Blocks(config if isinstance(config, Knobs) else Knobs(), seed, policy)
    x = BUILDERS[type(config)](config, blocks.input_noise(normalize(prepared)), inputs, blocks)
    if isinstance(config, LayersConfig | CustomConfig) and not config.add_output:
        _check_own_output(config, x, output)
        if isinstance(config, CustomConfig):
            x = keras.layers.Activation("linear", name="output", dtype="float32")(x)
    else:
        x = blocks.output(x, output, config.output_activation)
    return keras.Model(prepared, x, name="network")


def _check_own_output(config: LayersConfig | CustomConfig, x: keras.KerasTensor, output: OutputSpec) -> None:
    if config.output_activation != "auto":
        raise ModelError(
            "model.output_activation: has no effect with add_output: false; give the last layer its activation"
        )
    if tuple(x.shape[1:]) != (output.num_outputs,):
        place = f"layers.{len(config.layers) - 1}" if isinstance(config, LayersConfig) else "entry"
        raise ModelError(
            f"model.{place}: expected the last layer to give {output.num_outputs} values, as add_output is false and "
            f"the task is {output.task}. Received: an output of shape {tuple(x.shape[1:])}"
        )
