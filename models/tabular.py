"""Networks over numbers and embedded categories, for tables."""

import keras

from models.blocks import Blocks
from models.config import TabularConfig
from models.depth import drop_rates
from models.errors import ModelError
from models.features import Features, distinct_categories, side_by_side
from models.spec import InputSpec


def build_tabular(config: TabularConfig, features: Features, inputs: InputSpec, blocks: Blocks) -> keras.KerasTensor:
    """Builds embeddings of the categories beside the numbers, then the backbone.

    Args:
        config: Backbone and widths.
        features: `numbers`, float32 `(batch, n)`, and `categories`, int32 `(batch, m)`, or one of them.
        inputs: Kind and sizes of the data.
        blocks: Knobs of the model.

    Returns:
        `(batch, units[-1])`, or `(batch, width)` with backbone resnet.

    Raises:
        ModelError: If the data is no table, or a key is for categories and there are none.
    """
    if inputs.kind != "table":
        raise ModelError(f"model.type: tabular takes tables; this recipe's data is {inputs.kind}. Use mlp or layers")
    x = _embedded(config, features, inputs, blocks)
    if config.backbone == "resnet":
        return _resnet(config, x, blocks)
    for i, units in enumerate(config.units, start=1):
        x = blocks.dropout(blocks.dense(x, units, f"dense_{i}"), f"dropout_{i}")
    return x


def _embedded(config: TabularConfig, features: Features, inputs: InputSpec, blocks: Blocks) -> keras.KerasTensor:
    columns = [features["numbers"]] if "numbers" in features else []
    if "categories" in features:
        # One layer for all columns: no two share an index, so each has embeddings of its own.
        embedding = blocks.embedding(sum(inputs.category_sizes), config.embedding_dim, mask=False)
        embedded = embedding(distinct_categories(features, inputs))
        columns.append(keras.layers.Flatten(name="embeddings", dtype=blocks.policy)(embedded))
        return side_by_side(columns, blocks)
    if config.embedding_dim != TabularConfig.model_fields["embedding_dim"].default:
        raise ModelError("model.embedding_dim: has no effect, as this table has no categories; remove it")
    if config.initializers.embedding != "auto":
        raise ModelError("model.initializers.embedding: has no effect, as this table has no categories; remove it")
    return side_by_side(columns, blocks)


def _resnet(config: TabularConfig, x: keras.KerasTensor, blocks: Blocks) -> keras.KerasTensor:
    """The residual network of Gorishniy et al. 2021."""
    x = blocks.project(x, config.width, "first")
    for i, rate in enumerate(drop_rates(config.stochastic_depth, config.blocks), start=1):
        name = f"block_{i}"
        branch = blocks.project(
            blocks.normalize(x, name),
            config.expansion * config.width,
            f"{name}_dense_1",
            activation=blocks.knobs.activation,
        )
        branch = blocks.dropout(blocks.activate(branch, name), f"{name}_dropout_1")
        branch = blocks.project(branch, config.width, f"{name}_dense_2", zero=config.zero_gamma)
        branch = blocks.dropout(branch, f"{name}_dropout_2")
        x = blocks.residual(x, branch, name, drop_rate=rate)
    return blocks.activate(blocks.normalize(x, "last"), "last")
