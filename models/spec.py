"""What a network takes and gives: the only things a builder needs to know of the data."""

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["image", "table", "text"]
Task = Literal["binary", "multiclass", "multilabel", "regression"]

OUTPUT_ACTIVATIONS: dict[str, str] = {
    "binary": "sigmoid",
    "multiclass": "softmax",
    "multilabel": "sigmoid",
    "regression": "linear",
}
"""Activation of the output layer of each task."""


@dataclass(frozen=True)
class InputSpec:
    """The prepared tensors, as `normalize.keras` hands them to the network."""

    kind: Kind
    shapes: dict[str, tuple[int, ...]]
    """Tensor name to its shape without the batch: {"image": (8, 8, 1)}, {"numbers": (30,), "categories": (4,)},
    {"tokens": (40,)}."""
    category_sizes: tuple[int, ...] = field(default_factory=tuple)
    """Number of indices of each category column of a table."""
    vocabulary_size: int = 0
    """Number of token indices of a text; index 0 is padding."""


@dataclass(frozen=True)
class OutputSpec:
    """What the network says."""

    task: Task
    num_outputs: int
    """multiclass: classes; binary: 1; multilabel: labels; regression: values."""
    priors: tuple[float, ...] | None = None
    """What `models.priors.priors` counts in the training split; None: the labels are not at hand."""
