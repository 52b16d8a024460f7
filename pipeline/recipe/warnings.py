"""Combinations of a recipe that work, but seldom well: said where a training starts."""

from collections.abc import Iterator

from models.config import ModelConfig
from models.knobs import Knobs


def warnings(model: ModelConfig) -> Iterator[str]:
    """Yields one line for each combination that a practitioner would look at twice.

    Args:
        model: The recipe's `model` section, checked.
    """
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
