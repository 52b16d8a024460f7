"""What examples are, as collect found them and as serving must know them: kind, task, labels, columns."""

from dataclasses import dataclass, fields
from typing import Any, Literal, Self

from models.spec import Kind, Task


@dataclass(frozen=True)
class Column:
    """A column of a table that the model learns from."""

    name: str
    type: Literal["number", "category", "boolean", "date"]


@dataclass(frozen=True, kw_only=True)
class Description:
    """Facts of the examples that the data and the model share."""

    kind: Kind
    task: Task
    label: tuple[str, ...]
    """Name of the label column, or of each column of a multi-label or multi-value task."""
    classes: tuple[str, ...]
    """Class names by index (binary and multiclass), label names (multilabel), empty for regression."""
    columns: tuple[Column, ...] = ()
    """Columns of a table, in the order of its tensors; empty for images and texts."""
    missing: tuple[str, ...] = ()
    """Texts that mean a missing value in a CSV file; empty for other sources."""
    separator: str = ","
    """Character between the columns of a CSV file."""
    text: str = "text"
    """Column that texts came from; a model takes them as `text`."""

    def description(self) -> dict[str, Any]:
        """Returns the fields of this class, by name, of it or of one that has more."""
        return {field.name: getattr(self, field.name) for field in fields(Description)}

    @classmethod
    def from_tree(cls, tree: dict[str, Any]) -> Self:
        """Makes one of what JSON gave, in which tuples became lists."""
        columns = tuple(Column(**column) for column in tree["columns"])
        texts = {name: tuple(tree[name]) for name in ("label", "classes", "missing")}
        return cls(**{**tree, **texts, "columns": columns})
