"""What a source of data hands over: examples in a fixed order, read once, in record batches."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import pyarrow as pa

from models.spec import Kind
from pipeline.errors import UserError
from pipeline.serving.description import Column

ORIGIN, KEY = "__origin__", "__key__"
"""Columns that only collect sees: where an example came from ("cat/1.png", "wine.csv:12"); and what it is split by: its
time, its group, or the name of the split that the source put it in."""

IMAGES_PER_BATCH = 256
ROWS_PER_BATCH = 8192

_SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True)
class Source:
    """Examples and what is known of them before they are read."""

    kind: Kind
    description: str
    """Where the data came from, in words."""
    label: tuple[str, ...]
    """Name of the label, or of each label column."""
    batches: Iterator[pa.RecordBatch]
    """Feature columns, `LABEL` (string, number, bool, list of strings, or multi-hot list), `ORIGIN`, and `KEY` when
    examples are split by time, by group or as the source gives them."""
    total: int | None = None
    """Number of examples; None when unknown before reading."""
    classes: tuple[str, ...] = ()
    """Class names by index where labels are indices or multi-hot."""
    columns: tuple[Column, ...] = ()
    """Columns of a table that are learnt from."""
    notes: tuple[str, ...] = ()
    """Lines for the user: choices made."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Reason to the number of examples left out for it; filled as `batches` are read."""


@dataclass
class Rejects:
    """Files and rows that cannot be read: named, and refused or skipped as `checks.corrupt` says."""

    policy: Literal["error", "skip"]
    named: list[str] = field(default_factory=list)

    def add(self, origin: str, reason: str) -> None:
        """Records one file or row that cannot be an example."""
        self.named.append(f"{origin}: {reason}")

    def settle(self) -> None:
        """Ends the reading.

        Raises:
            UserError: If there are rejects and the recipe does not say to skip them; names up to ten.
        """
        if self.named and self.policy == "error":
            shown = "\n".join(f"  {line}" for line in self.named[:10])
            more = f"\n  and {len(self.named) - 10:,} more" if len(self.named) > 10 else ""
            raise UserError(
                f"data: {len(self.named):,} files or rows cannot be read:\n{shown}{more}\n"
                "Mend or remove them, or set `data.checks.corrupt: skip` to go on without them."
            )


def split_named(name: str) -> str | None:
    """The split that a source means by `name` (`val`, `valid` and `dev` are `validation`); None for another word."""
    return _SPLIT_NAMES.get(name.strip().lower())
