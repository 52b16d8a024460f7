"""Transforms that cannot work on the recipe's data, or would do nothing."""

from collections.abc import Iterator

from models.config import LayersConfig, ModelConfig, TextConfig
from pipeline.recipe.augment import KINDS, MIXING, OF_COLOURS, Flip, Shear
from pipeline.recipe.errors import Problem
from pipeline.recipe.tree import Recipe

OF_SINGLE_TOKENS = (
    *("Embedding", "Dense", "EinsumDense", "Activation", "ReLU", "LayerNormalization", "BatchNormalization"),
    *("Dropout", "SpatialDropout1D", "GaussianDropout", "GaussianNoise", "AlphaDropout", "Masking"),
)
"""Keras layers that treat each token by itself."""


def check_augment(recipe: Recipe, *, kind: str | None, task: str | None) -> Iterator[Problem]:
    """Finds every transform that does not fit.

    Args:
        recipe: The recipe, its keys valid one by one.
        kind: image, table or text; None while it is not known.
        task: None while it is not known.
    """
    transforms = recipe.augment
    for i, transform in enumerate(transforms):
        name, key, kinds = transform.type, f"augment.{i}.type", KINDS[transform.type]
        if kind and kind not in kinds:
            yield Problem(
                key, f"`{name}` changes {' and '.join(kinds)} data; `data.type: {recipe.data.type}` is {kind}"
            )
        if isinstance(transform, Flip | Shear) and not (transform.horizontal or transform.vertical):
            yield Problem(f"augment.{i}", f"`{name}` has no effect with neither horizontal nor vertical; remove it")
        if name in OF_COLOURS and recipe.preprocess.channels == 1:
            yield Problem(key, f"`{name}` changes colours; with `preprocess.channels: 1` there are none. Remove it")
        if name == "word_swap" and _is_blind_to_order(recipe.model):
            yield Problem(
                key,
                "`word_swap` has no effect: the model pools over the tokens, whatever their order. Remove it, "
                "or use a model that sees the order, such as `model.type: text` with another encoder",
            )
        if name in MIXING and task == "regression":
            yield Problem(key, f"`{name}` mixes classes; a regression task has none. Remove it")
        if name not in MIXING and any(earlier.type in MIXING for earlier in transforms[:i]):
            yield Problem(
                key, f"`{name}` changes single examples; move it before {' and '.join(MIXING)}, which come last"
            )


def _is_blind_to_order(model: ModelConfig) -> bool:
    """Whether a model gives the same for the same tokens in another order; of a custom one that is not known."""
    if isinstance(model, LayersConfig):
        first = next((layer["type"] for layer in model.layers if layer["type"] not in OF_SINGLE_TOKENS), None)
        return first in ("GlobalAveragePooling1D", "GlobalMaxPooling1D")
    return model.type == "mlp" or (isinstance(model, TextConfig) and model.encoder == "pooling")
