"""Networks with a pretrained part: what of the source is taken, and the new head on it."""

from collections.abc import Iterator

import keras

from models.blocks import Blocks
from models.config import TransferConfig
from models.errors import ModelError
from models.pretrained import Pretrained
from models.spec import OutputSpec

POOLING = {3: keras.layers.GlobalAveragePooling1D, 4: keras.layers.GlobalAveragePooling2D}
"""Dimensions of the features, the batch among them, to what makes one vector an example of them."""


def truncate(source: keras.Model, until: str | None) -> keras.Model:
    """Takes a source up to a layer, and the mean over its pixels where it has any.

    Args:
        source: Functional or sequential; it shares its weights with what is returned.
        until: Name of the last layer to take; None: the one before the last.

    Returns:
        Input of the source -> `(batch, n)`.

    Raises:
        ModelError: If there is no such layer, or the source has no graph of layers.
    """
    if not hasattr(source, "input") or len(source.layers) < 2:
        raise ModelError(
            f"model.source: expected a functional or sequential Keras model. Received: {type(source).__name__}"
        )
    names = [layer.name for layer in source.layers]
    if until is not None and until not in names:
        raise ModelError(f"model.until: expected a layer of the source: {', '.join(names)}. Received: {until!r}")
    features = source.get_layer(until).output if until else source.layers[-1].input
    if not isinstance(features, keras.KerasTensor) or features.ndim not in (2, *POOLING):
        raise ModelError(
            f"model.until: expected a layer that gives one tensor of 2, 3 or 4 dimensions. Received: {until}"
        )
    if features.ndim in POOLING:
        features = POOLING[features.ndim](name="mean_over_positions")(features)
    return keras.Model(source.input, features, name="base")


def build_transfer(
    config: TransferConfig,
    base: keras.Model,
    normalize: keras.Model | None,
    output: OutputSpec,
    *,
    seed: int,
    policy: str,
) -> keras.Model:
    """Builds prepared images -> pretrained part -> dropout -> hidden layers of the head -> output.

    Args:
        config: The recipe's `model` section.
        base: What `truncate` gave: an image, or a dict of it, -> `(batch, n)`.
        normalize: Prepared tensors by name -> what enters the base; None: prepared images do.
        output: What the network says.
        seed: Seed of the head's initial weights and of the dropout masks.
        policy: Keras dtype policy of the head; the base keeps the one it was saved with.

    Returns:
        Not compiled; `image` float32 `(batch, height, width, channels)` -> float32 `(batch, num_outputs)`. Its layers
        `pretrained` and `output` are named so.
    """
    blocks = Blocks(config, seed, policy)
    shape = (normalize or base).inputs[0].shape
    prepared = {"image": keras.Input(batch_shape=shape, dtype="float32", name="image")}
    image = (normalize(prepared) if normalize else prepared)["image"]
    x = Pretrained(base, name="pretrained")({"image": image} if isinstance(base.input, dict) else image)
    x = blocks.dropout(x, "dropout_features")
    for i, units in enumerate(config.units, start=1):
        x = blocks.dense(x, units, f"dense_{i}")
        x = blocks.dropout(x, f"dropout_{i}")
    return keras.Model(prepared, blocks.output(x, output, config.output_activation), name="network")


def split_network(network: keras.Model) -> tuple[keras.Model, keras.Model]:
    """Cuts what `build_transfer` gave in two, which share its weights.

    Returns:
        Prepared images -> features, `(batch, n)`; and features, by the name `features`, -> output.
    """
    pretrained = network.get_layer("pretrained")
    features = x = keras.Input(batch_shape=pretrained.output.shape, name="features")
    for layer in network.layers[network.layers.index(pretrained) + 1 :]:
        x = layer(x)
    extractor = keras.Model(network.input, pretrained.output, name="extractor")
    return extractor, keras.Model({"features": features}, x, name="head")


def pretrained_layers(network: keras.Model) -> list[keras.Layer]:
    """The layers with weights of the pretrained part, from the input up; those of models inside it one by one."""
    return [layer for layer in _leaves(network.get_layer("pretrained").network) if layer.weights]


def _leaves(model: keras.Model) -> Iterator[keras.Layer]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _leaves(layer)
        else:
            yield layer
