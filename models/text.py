"""Networks over sequences of tokens, for texts."""

import keras

from models.blocks import Blocks
from models.config import TextConfig
from models.errors import ModelError
from models.features import Features, mean_embedding
from models.spec import InputSpec


def build_text(config: TextConfig, features: Features, inputs: InputSpec, blocks: Blocks) -> keras.KerasTensor:
    """Builds an embedding, an encoder over the tokens, then one dense layer.

    Args:
        config: Encoder and sizes.
        features: `tokens`, int32 `(batch, length)`, 0 for padding.
        inputs: Kind of the data and size of the vocabulary.
        blocks: Knobs of the model.

    Returns:
        `(batch, units)`, or the encoded text where `units` is 0.

    Raises:
        ModelError: If the data is no text.
    """
    if inputs.kind != "text":
        raise ModelError(f"model.type: text takes texts; this recipe's data is {inputs.kind}. Use mlp or layers")
    encode = {"pooling": _pooling, "conv1d": _conv1d}[config.encoder]
    x = blocks.dropout(encode(config, features["tokens"], inputs, blocks), "encoder_dropout")
    if config.units:
        x = blocks.dropout(blocks.dense(x, config.units, "dense"), "dropout")
    return x


def _pooling(config: TextConfig, tokens: keras.KerasTensor, inputs: InputSpec, blocks: Blocks) -> keras.KerasTensor:
    return mean_embedding(tokens, inputs, blocks, embedding_dim=config.embedding_dim)


def _conv1d(config: TextConfig, tokens: keras.KerasTensor, inputs: InputSpec, blocks: Blocks) -> keras.KerasTensor:
    x = blocks.embedding(inputs.vocabulary_size, config.embedding_dim, mask=False)(tokens)
    for i, filters in enumerate(config.filters, start=1):
        x = blocks.conv(x, filters, config.kernel_size, f"conv_{i}")
    return keras.layers.GlobalMaxPooling1D(name="max_over_tokens", dtype=blocks.policy)(x)
