"""What fitting on the training split gives."""

from dataclasses import dataclass
from typing import Any

import keras


@dataclass(frozen=True)
class Fitted:
    """The first part of the exported model, and what a reader should know of it."""

    prepare: keras.Model
    """Raw tensors -> prepared tensors, both by name."""
    facts: dict[str, Any]
    """What was fitted, readable as JSON."""
    notes: tuple[str, ...] = ()
    """Lines for the user."""
    category_sizes: tuple[int, ...] = ()
    """Number of indices of each category column."""
    vocabulary_size: int = 0
    """Number of token indices."""
