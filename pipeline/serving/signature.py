"""What turns a client's input into tensors and an output into an answer: written beside the model as JSON."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from models.spec import Kind, Task


@dataclass(frozen=True)
class Column:
    """A column of a table that the model learns from."""

    name: str
    type: Literal["number", "category", "boolean", "date"]


@dataclass(frozen=True)
class Signature:
    """Everything outside the network that serving needs."""

    kind: Kind
    task: Task
    label: tuple[str, ...]
    """Name of the label column, or of each column of a multi-label or multi-value task."""
    classes: tuple[str, ...]
    """Class names by index (binary and multiclass), label names (multilabel), empty for regression."""
    columns: tuple[Column, ...] = ()
    """Columns of a table, in the order of its tensors."""
    shapes: tuple[tuple[str, tuple[int, ...]], ...] = ()
    """Prepared tensors and their shapes without the batch: (("image", (8, 8, 1)),)."""
    category_sizes: tuple[int, ...] = ()
    """Number of indices of each category column."""
    vocabulary_size: int = 0
    """Number of token indices of a text; index 0 is padding."""
    missing: tuple[str, ...] = ()
    """Texts that mean a missing value in a CSV file; empty where the model was not trained from one."""
    separator: str = ","
    """Character between the columns of a CSV file."""
    text: str = "text"
    """Column that texts came from; the model itself takes them as `text`."""

    def save(self, path: Path) -> None:
        """Writes the signature as JSON."""
        path.write_text(json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    @staticmethod
    def load(path: Path) -> "Signature":
        """Reads what `save` wrote."""
        tree: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return Signature(
            kind=tree["kind"],
            task=tree["task"],
            label=tuple(tree["label"]),
            classes=tuple(tree["classes"]),
            columns=tuple(Column(**column) for column in tree["columns"]),
            shapes=tuple((name, tuple(shape)) for name, shape in tree["shapes"]),
            category_sizes=tuple(tree["category_sizes"]),
            vocabulary_size=tree["vocabulary_size"],
            missing=tuple(tree["missing"]),
            separator=tree["separator"],
            text=tree["text"],
        )
