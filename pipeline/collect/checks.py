"""What may be wrong with the data: each check gives findings, and the recipe says how grave they are."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.collect.facts import ColumnFacts
from pipeline.collect.images import near_pairs
from pipeline.collect.labels import Labels
from pipeline.collect.splits import SPLITS
from pipeline.errors import UserError
from pipeline.recipe.data import ChecksConfig

Origin = Callable[[int], str]


@dataclass(frozen=True)
class Finding:
    """Something that a check found."""

    check: str
    """Key of the recipe's `data.checks`."""
    count: int
    """Number of examples, pairs, columns or classes."""
    text: str
    """One line: what, how many, which."""
    severity: Literal["warn", "error"] = "warn"


def grade(findings: Iterable[Finding], section: ChecksConfig) -> list[Finding]:
    """Gives each finding the severity that the recipe gives its check, and drops those that it ignores."""
    graded = ((finding, getattr(section, finding.check)) for finding in findings)
    return [Finding(f.check, f.count, f.text, severity) for f, severity in graded if severity != "ignore"]


def refuse(findings: Iterable[Finding]) -> None:
    """Stops at findings that are errors by the recipe.

    Raises:
        UserError: If there is one; names all.
    """
    grave = [finding for finding in findings if finding.severity == "error"]
    if grave:
        lines = "\n".join(f"  {finding.check}: {finding.text}" for finding in grave)
        raise UserError(
            f"data.checks: the recipe makes these errors:\n{lines}\nMend the data, or set the check to warn."
        )


def find_duplicates(ids: np.ndarray, splits: np.ndarray, labels: Labels, origin: Origin) -> Iterator[Finding]:
    """Finds examples of equal content: across splits (leakage), within a split, and with different labels.

    Args:
        ids: Content hashes, string (n,).
        splits: int8 (n,) indices of `SPLITS`.
        labels: Of all examples.
        origin: Row to its name.
    """
    first, later = _repeats(ids)
    across = splits[first] != splits[later]
    if across.any():
        count = len(np.unique(ids[later[across]]))
        shown = _equal(first[across], later[across], origin)
        yield Finding("leakage", count, f"{count:,} contents are in more than one split (such as {shown})")
    first_of_split, later_of_split = _repeats(np.char.add(ids, splits.astype(str)))
    if len(later_of_split):
        shown = _equal(first_of_split, later_of_split, origin)
        text = f"{len(later_of_split):,} examples repeat another of their split (such as {shown})"
        yield Finding("duplicates", len(later_of_split), text)
    differ = _differ(labels.values[first], labels.values[later])
    if differ.any():
        count = len(np.unique(ids[later[differ]]))
        shown = _equal(first[differ], later[differ], origin)
        yield Finding("conflicting_labels", count, f"{count:,} contents have different labels (such as {shown})")


def _repeats(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows whose key an earlier row has: the first row with that key, and the row itself."""
    _, first, places = np.unique(keys, return_index=True, return_inverse=True)
    earliest = first[places]
    later = np.flatnonzero(earliest != np.arange(len(keys)))
    return earliest[later], later


def _equal(first: np.ndarray, later: np.ndarray, origin: Origin) -> str:
    return ", ".join(f"{origin(int(a))} = {origin(int(b))}" for a, b in zip(first[:3], later[:3], strict=True))


def _differ(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    differ = first != second
    return np.asarray(differ.any(axis=1) if differ.ndim == 2 else differ)


def find_near_duplicates(hashes: np.ndarray, ids: np.ndarray, splits: np.ndarray, origin: Origin) -> Iterator[Finding]:
    """Finds images of different content in different splits that look alike.

    Args:
        hashes: uint64 (n, 2), perceptual hashes.
        ids: Content hashes, string (n,).
        splits: int8 (n,) indices of `SPLITS`.
        origin: Row to its name.
    """
    # One row stands for all that share hashes and split, so that many equal images make no quadratic number of pairs.
    keys = np.column_stack([hashes, splits.astype(np.uint64)])
    _, rows = np.unique(keys, axis=0, return_index=True)
    near = rows[near_pairs(hashes[rows], splits[rows])]
    pairs = near[ids[near[:, 0]] != ids[near[:, 1]]]
    if len(pairs):
        shown = ", ".join(f"{_place(a, splits, origin)} ~ {_place(b, splits, origin)}" for a, b in pairs[:3])
        yield Finding(
            "near_duplicates", len(pairs), f"{len(pairs):,} pairs of images in two splits look alike ({shown})"
        )


def _place(row: int, splits: np.ndarray, origin: Origin) -> str:
    return f"{origin(row)} in {SPLITS[splits[row]]}"


def find_odd_columns(columns: Iterable[ColumnFacts]) -> Iterator[Finding]:
    """Finds columns of a table, over its training rows, that are constant, twice there, identifiers, or have gaps."""
    columns = list(columns)
    odd = {
        "constant_columns": [c.name for c in columns if c.distinct <= 1],
        "duplicate_columns": list(_equal_columns(columns)),
        "identifier_columns": [c.name for c in columns if c.identifier],
        "missing_values": [f"{c.name} ({c.missing:,})" for c in columns if c.missing],
    }
    meaning = {
        "constant_columns": "have one value only",
        "duplicate_columns": "are equal",
        "identifier_columns": "seem to name or number the rows: put them into `data.ignore`",
        "missing_values": "have missing values",
    }
    for check, names in odd.items():
        if names:
            more = f" and {len(names) - 10} more" if len(names) > 10 else ""
            yield Finding(check, len(names), f"columns {', '.join(names[:10])}{more} {meaning[check]}")


def _equal_columns(columns: list[ColumnFacts]) -> Iterator[str]:
    seen: dict[str, str] = {}
    for column in columns:
        if column.distinct > 1:
            first = seen.setdefault(column.digest, column.name)
            if first != column.name:
                yield f"{first} = {column.name}"


def find_absent_classes(labels: Labels, splits: np.ndarray) -> Iterator[Finding]:
    """Finds classes that are in train but not in validation or test."""
    for index, name in enumerate(SPLITS[1:], 1):
        counts = labels.per_class(splits == index)
        absent = [labels.classes[i] for i in np.flatnonzero((counts == 0) & (labels.per_class(splits == 0) > 0))]
        if absent:
            shown = ", ".join(absent[:10]) + ("" if len(absent) <= 10 else ", …")
            yield Finding("absent_classes", len(absent), f"{name} has no example of {len(absent)} classes: {shown}")
