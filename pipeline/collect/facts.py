"""What the data report counts: columns, images, texts, and how classes or values are spread over the splits."""

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.collect.images import Look
from pipeline.collect.labels import Labels
from pipeline.collect.splits import SPLITS
from pipeline.examples import Examples
from pipeline.manifest import SPLIT
from pipeline.serving.description import Column

MIN_IDENTIFIERS = 20
"""A column of fewer values is not taken for an identifier."""

NUM_BINS = 20


@dataclass(frozen=True)
class ColumnFacts:
    """One column of a table, over its training rows."""

    name: str
    type: str
    missing: int
    distinct: int
    summary: str
    """Range and mean of numbers and dates, the most frequent categories."""
    digest: str
    """Hash of all values: equal columns, equal digests."""
    identifier: bool
    """Whether every row has its own category, or its own number in a run of integers."""


def column_facts(development: Examples, columns: tuple[Column, ...]) -> tuple[ColumnFacts, ...]:
    """Reads one column of the training rows at a time."""
    train = pc.equal(development.column(SPLIT), "train") if columns else None
    return tuple(_facts(column, development.column(column.name).filter(train)) for column in columns)


def _facts(column: Column, values: pa.ChunkedArray) -> ColumnFacts:
    present = values.drop_null()
    distinct = len(pc.unique(present))
    return ColumnFacts(
        name=column.name,
        type=column.type,
        missing=values.null_count,
        distinct=distinct,
        summary=_summary(column, present),
        digest=_digest(values),
        identifier=_names_rows(column, present, distinct),
    )


def _summary(column: Column, present: pa.ChunkedArray) -> str:
    if not len(present):
        return "no values"
    if column.type == "number":
        low, high = pc.min_max(present).as_py().values()
        return f"{low:g} … {high:g}, mean {pc.mean(present).as_py():g}"
    if column.type == "date":
        low, high = pc.min_max(present).as_py().values()
        return f"{low:%Y-%m-%d} … {high:%Y-%m-%d}"
    counts = sorted(
        ((entry["counts"], str(entry["values"])) for entry in pc.value_counts(present).to_pylist()),
        key=lambda pair: (-pair[0], pair[1]),
    )
    return ", ".join(f"{value} ({count:,})" for count, value in counts[:3]) + (", …" if len(counts) > 3 else "")


def _digest(values: pa.ChunkedArray) -> str:
    digest = hashlib.blake2b(str(values.type).encode(), digest_size=16)
    for chunk in values.chunks:
        digest.update("\x1f".join(map(repr, chunk.to_pylist())).encode())
    return digest.hexdigest()


def _names_rows(column: Column, present: pa.ChunkedArray, distinct: int) -> bool:
    if distinct < MIN_IDENTIFIERS or distinct < len(present):
        return False
    if column.type != "number":
        return column.type == "category"
    numbers = present.to_numpy()
    spread = float(numbers.max() - numbers.min())
    # Of n numbered rows, those in train lie about twice as wide as they are many at most, whatever usual shares.
    return bool(np.array_equal(numbers, np.rint(numbers))) and spread < 2 * len(numbers)


@dataclass
class ImageFacts:
    """Images as they are read."""

    sizes: Counter[str] = field(default_factory=Counter)
    num_colour: int = 0
    hashes: list[tuple[int, int]] = field(default_factory=list)

    def add(self, image: Look) -> None:
        """Counts one image."""
        self.sizes[f"{image.height}×{image.width}"] += 1
        self.num_colour += image.colour
        self.hashes.append(image.hashes)

    def table(self) -> dict[str, Any]:
        """For the report: the ten most frequent sizes (height × width in pixels), and grey and colour."""
        return {
            "sizes": dict(self.sizes.most_common(10)),
            "num_sizes": len(self.sizes),
            "grey": len(self.hashes) - self.num_colour,
            "colour": self.num_colour,
        }


def text_facts(development: Examples) -> dict[str, Any]:
    """Words a text, over development: smallest, median, 95th percentile, largest."""
    words = np.concatenate(
        [pc.list_value_length(pc.utf8_split_whitespace(b.column("text"))).to_numpy() for b in development.batches()]
    )
    low, middle, high, top = np.percentile(words, [0, 50, 95, 100])
    return {"words": {"min": int(low), "median": int(middle), "p95": int(high), "max": int(top)}}


def label_balance(labels: Labels, splits: np.ndarray) -> list[dict[str, Any]]:
    """How labels are spread: a row a class, or a bin of values, with its count in each split."""
    if labels.task == "regression":
        return _histogram(labels.values, splits)
    counts = [labels.per_class(splits == index) for index in range(len(SPLITS))]
    return [
        {"name": name, **{split: int(count[i]) for split, count in zip(SPLITS, counts, strict=True)}}
        for i, name in enumerate(labels.classes)
    ]


def _histogram(values: np.ndarray, splits: np.ndarray) -> list[dict[str, Any]]:
    edges = np.histogram_bin_edges(values, NUM_BINS)
    counts = [np.histogram(values[splits == index], edges)[0] for index in range(len(SPLITS))]
    return [
        {"name": f"{low:.4g} … {high:.4g}", **{s: int(c[i]) for s, c in zip(SPLITS, counts, strict=True)}}
        for i, (low, high) in enumerate(pairwise(edges))
    ]
