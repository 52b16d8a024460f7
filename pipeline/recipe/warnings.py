"""Combinations of a recipe that work, but seldom well: said where a training starts."""

from collections.abc import Iterator

from models.config import LayersConfig, ModelConfig
from models.knobs import Knobs

SMALL_BATCH = 16
"""Examples below which the statistics of a batch are too noisy (Wu and He 2018, figure 1)."""


def warnings(model: ModelConfig, *, batch_size: int) -> Iterator[str]:
    """Yields one line for each combination that a practitioner would look at twice.

    Args:
        model: The recipe's `model` section, checked.
        batch_size: Examples in a batch.
    """
    if _has_batch_norm(model) and batch_size < SMALL_BATCH:
        yield (
            f"model: batch normalisation over batches of {batch_size} is noisy (data.batch_size); "
            f"use {SMALL_BATCH} or more, or `normalization: layer` or `group`"
        )
    if isinstance(model, Knobs) and model.activation == "selu":
        yield from _selu(model)


def _selu(model: Knobs) -> Iterator[str]:
    """SELU normalises by itself, as long as nothing else changes mean and variance (Klambauer et al. 2017)."""
    kind = model.normalized_by()
    if kind != "none":
        yield f"model.activation: selu normalises by itself; {kind} normalisation beside it takes that away"
    if model.dropout and model.dropout_type != "alpha":
        yield f"model.dropout_type: {model.dropout_type} dropout changes what selu normalises; use alpha"
    if model.kernel_initializer not in ("auto", "lecun_normal"):
        yield "model.kernel_initializer: selu normalises by itself from lecun_normal alone; use auto"


def _has_batch_norm(model: ModelConfig) -> bool:
    if isinstance(model, LayersConfig):
        return any(layer["type"] == "BatchNormalization" for layer in model.layers)
    return isinstance(model, Knobs) and model.normalized_by() == "batch"
