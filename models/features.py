"""Network inputs of any kind of data as one tensor."""

import itertools

import keras

from models.blocks import Blocks
from models.spec import InputSpec

Features = dict[str, keras.KerasTensor]
"""What `normalize` gives: tensors by name."""


def flat_features(features: Features, inputs: InputSpec, blocks: Blocks, *, embedding_dim: int) -> keras.KerasTensor:
    """Makes `(batch, n)` of any kind of data.

    Images are flattened; tables are their numbers and the one-hot codes of their categories; texts are the mean of
    their tokens' embeddings.

    Args:
        features: What `normalize` gives.
        inputs: Kind and sizes of the data.
        blocks: Knobs of the model.
        embedding_dim: Size of a token's embedding.
    """
    if inputs.kind == "image":
        return keras.layers.Flatten(name="flatten", dtype=blocks.policy)(features["image"])
    if inputs.kind == "table":
        return table_features(features, inputs, blocks)
    return mean_embedding(features["tokens"], inputs, blocks, embedding_dim=embedding_dim)


def table_features(features: Features, inputs: InputSpec, blocks: Blocks) -> keras.KerasTensor:
    """Numbers and one-hot categories side by side: `(batch, numbers + sum of category sizes)`."""
    columns = []
    if "numbers" in features:
        columns.append(features["numbers"])
    if "categories" in features:
        # With each column's indices moved behind those of the columns before, one multi-hot code is all one-hot codes.
        offsets = [0, *itertools.accumulate(inputs.category_sizes)]
        shift = keras.layers.Rescaling(1, offset=offsets[:-1], name="category_offsets", dtype="int32")
        one_hot = keras.layers.CategoryEncoding(
            offsets[-1], output_mode="multi_hot", name="one_hot", dtype=blocks.policy
        )
        columns.append(one_hot(shift(features["categories"])))
    if len(columns) == 1:
        return columns[0]
    return keras.layers.Concatenate(name="columns", dtype=blocks.policy)(columns)


def mean_embedding(
    tokens: keras.KerasTensor, inputs: InputSpec, blocks: Blocks, *, embedding_dim: int
) -> keras.KerasTensor:
    """Mean of the embeddings of a text's tokens, padding excluded: `(batch, embedding_dim)`."""
    layers = [
        keras.Input(tokens.shape[1:], dtype="int32", name="mean_embedding_tokens"),
        blocks.embedding(inputs.vocabulary_size, embedding_dim, mask=True),
        keras.layers.GlobalAveragePooling1D(name="mean_over_tokens", dtype=blocks.policy),
    ]
    # Keras names the op of the mask by a global counter; a Sequential keeps that name out of the network's config, so
    # that equal networks have equal configs.
    return keras.Sequential(layers, name="mean_embedding")(tokens)
