"""Networks over sequences of tokens, for texts."""

import keras

from models.blocks import Blocks
from models.config import TextConfig
from models.depth import drop_rates
from models.errors import ModelError
from models.features import Features, mean_embedding
from models.registered import MeanOverTokens, PositionEmbedding, SelfAttention
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
    x = blocks.dropout(ENCODERS[config.encoder](config, features["tokens"], inputs, blocks), "encoder_dropout")
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


def _recurrent(config: TextConfig, tokens: keras.KerasTensor, inputs: InputSpec, blocks: Blocks) -> keras.KerasTensor:
    cell = {"bilstm": keras.layers.LSTM, "bigru": keras.layers.GRU}[config.encoder]
    last = len(config.recurrent_units)
    layers = [
        keras.Input(tokens.shape[1:], dtype="int32", name="recurrent_tokens"),
        blocks.embedding(inputs.vocabulary_size, config.embedding_dim, mask=True),
        *(
            blocks.bidirectional(cell, units, f"recurrent_{i}", return_sequences=i < last)
            for i, units in enumerate(config.recurrent_units, start=1)
        ),
    ]
    # In a Sequential for the reason given in `mean_embedding`.
    return keras.Sequential(layers, name="recurrent")(tokens)


def _transformer(config: TextConfig, tokens: keras.KerasTensor, inputs: InputSpec, blocks: Blocks) -> keras.KerasTensor:
    if config.embedding_dim % config.num_heads:
        raise ModelError(
            f"model.num_heads: expected a divisor of model.embedding_dim ({config.embedding_dim}). "
            f"Received: {config.num_heads}"
        )
    x = blocks.embedding(inputs.vocabulary_size, config.embedding_dim, mask=False)(tokens)
    initializer = blocks.embeddings_initializer("positions")
    x = PositionEmbedding(initializer, name="positions", dtype=blocks.policy)(x)
    for i, rate in enumerate(drop_rates(config.stochastic_depth, config.blocks), start=1):
        x = _attend(config, x, tokens, blocks, f"block_{i}_attention", rate)
        x = _think(config, x, blocks, f"block_{i}_dense", rate)
    x = blocks.normalize(x, "last")
    return MeanOverTokens(name="mean_over_tokens", dtype=blocks.policy)(x, tokens)


def _attend(
    config: TextConfig, x: keras.KerasTensor, tokens: keras.KerasTensor, blocks: Blocks, name: str, drop_rate: float
) -> keras.KerasTensor:
    """Half a block: tokens look at each other."""
    branch = blocks.project(blocks.normalize(x, name), 3 * config.embedding_dim, f"{name}_queries_keys_values")
    branch = SelfAttention(config.num_heads, name=name, dtype=blocks.policy)(branch, tokens)
    branch = blocks.project(branch, config.embedding_dim, f"{name}_output", zero=config.zero_gamma)
    return blocks.residual(x, blocks.dropout(branch, f"{name}_dropout"), name, drop_rate=drop_rate)


def _think(config: TextConfig, x: keras.KerasTensor, blocks: Blocks, name: str, drop_rate: float) -> keras.KerasTensor:
    """The other half: two dense layers over each token."""
    activation = blocks.knobs.activation
    branch = blocks.normalize(x, name)
    branch = blocks.project(branch, config.expansion * config.embedding_dim, f"{name}_1", activation=activation)
    branch = blocks.project(blocks.activate(branch, name), config.embedding_dim, f"{name}_2", zero=config.zero_gamma)
    return blocks.residual(x, blocks.dropout(branch, f"{name}_dropout"), name, drop_rate=drop_rate)


ENCODERS = {
    "pooling": _pooling,
    "conv1d": _conv1d,
    "bilstm": _recurrent,
    "bigru": _recurrent,
    "transformer": _transformer,
}
"""Tokens, int32 `(batch, length)`, to the encoded text, `(batch, n)`."""
