"""Network inputs of any kind of data as one tensor."""

import itertools

import keras

from models.blocks import Blocks
from models.errors import ModelError
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


def image_features(
    family: str, features: Features, inputs: InputSpec, *, smallest: int, needs: str, instead: str
) -> keras.KerasTensor:
    """The image, if it is one and large enough: float32 `(batch, height, width, channels)`.

    Args:
        family: `model.type`.
        features: What `normalize` gives.
        inputs: Kind of the data.
        smallest: Least height and width, in pixels.
        needs: What of the recipe needs that, in words.
        instead: What to use where images are smaller, beside fewer filters and a larger size.

    Raises:
        ModelError: If the data is no image, or too small.
    """
    if inputs.kind != "image":
        raise ModelError(f"model.type: {family} takes images; this recipe's data is {inputs.kind}. Use mlp or layers")
    height, width, _ = inputs.shapes["image"]
    if min(height, width) < smallest:
        raise ModelError(
            f"model.filters: {needs} need images of at least {smallest}×{smallest} pixels. Received: {height}×{width}. "
            f"Use fewer entries, {instead} or a larger preprocess.size"
        )
    return features["image"]


def table_features(features: Features, inputs: InputSpec, blocks: Blocks) -> keras.KerasTensor:
    """Numbers and one-hot categories side by side: `(batch, numbers + sum of category sizes)`."""
    columns = []
    if "numbers" in features:
        columns.append(features["numbers"])
    if "categories" in features:
        one_hot = keras.layers.CategoryEncoding(
            sum(inputs.category_sizes), output_mode="multi_hot", name="one_hot", dtype=blocks.policy
        )
        columns.append(one_hot(distinct_categories(features, inputs)))
    return side_by_side(columns, blocks)


def distinct_categories(features: Features, inputs: InputSpec) -> keras.KerasTensor:
    """Category indices moved behind those of the columns before, so that no two columns share one: same shape."""
    offsets = [0, *itertools.accumulate(inputs.category_sizes)]
    return keras.layers.Rescaling(1, offset=offsets[:-1], name="category_offsets", dtype="int32")(
        features["categories"]
    )


def side_by_side(columns: list[keras.KerasTensor], blocks: Blocks) -> keras.KerasTensor:
    """One `(batch, n)` of several, or the only one as it is."""
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
