"""The data report: everything that was counted and found, as JSON and as a page to read."""

import datetime
import json
import textwrap
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from pipeline.collect.checks import Finding
from pipeline.collect.facts import ColumnFacts
from pipeline.examples import Examples
from pipeline.manifest import ID, LABEL, SPLIT, Manifest
from pipeline.pages import render, thumbnail

NUM_IMAGES, NUM_ROWS = 24, 8
"""Samples shown; of the training split alone."""

IMAGE_SIDE = 160
"""Largest height and width of an image shown, in pixels."""


@dataclass(frozen=True)
class DataReport:
    """What the report says, beside the manifest."""

    manifest: Manifest
    reason: str
    """Why the task is this one."""
    split: dict[str, Any]
    """The recipe's `data.split`."""
    balance: list[dict[str, Any]]
    """A row a class or a bin of values, with its count in each split."""
    columns: tuple[ColumnFacts, ...]
    contents: dict[str, Any]
    """Sizes of images, or words of texts."""
    corrupt: tuple[str, ...]
    """Files and rows that were skipped."""
    left_out: dict[str, int]
    """Reason to the number of examples left out for it."""
    findings: tuple[Finding, ...]

    def tree(self) -> dict[str, Any]:
        """The report as plain values."""
        return asdict(self)


def write_report(report: DataReport, development: Examples, folder: Path) -> tuple[Path, Path]:
    """Writes `data_report.json` and `data_report.html`.

    Args:
        report: What to say.
        development: Where samples are taken from, of the training split.
        folder: Where to write.

    Returns:
        The two files.
    """
    as_json, as_html = folder / "data_report.json", folder / "data_report.html"
    as_json.write_text(json.dumps(report.tree(), indent=2, ensure_ascii=False, default=str) + "\n", encoding="utf-8")
    page = render(
        "data_report.html",
        **report.tree(),
        total=sum(report.manifest.counts.values()),
        largest=max(sum(row[split] for split in report.manifest.counts) for row in report.balance),
        samples=_samples(report.manifest, development),
    )
    as_html.write_text(page, encoding="utf-8")
    return as_json, as_html


def _samples(manifest: Manifest, development: Examples) -> list[dict[str, Any]]:
    """Training examples, evenly spaced, in words and images that HTML can show."""
    train = np.flatnonzero(pc.equal(development.column(SPLIT), "train").to_numpy(zero_copy_only=False))
    count = min(NUM_IMAGES if manifest.kind == "image" else NUM_ROWS, len(train))
    rows = development.take(train[np.linspace(0, len(train) - 1, count).astype(int)]).to_pylist()
    return [{"label": _label(manifest, row[LABEL])} | _features(manifest, row) for row in rows]


def _label(manifest: Manifest, label: Any) -> str:
    if manifest.task == "regression":
        return f"{label:g}"
    if manifest.task == "multilabel":
        return ", ".join(name for name, on in zip(manifest.classes, label, strict=True) if on) or "none"
    return str(manifest.classes[label])


def _features(manifest: Manifest, row: dict[str, Any]) -> dict[str, Any]:
    if manifest.kind == "image":
        return {"image": thumbnail(row["image"], IMAGE_SIDE)}
    return {"features": {name: _shown(value) for name, value in row.items() if name not in (ID, LABEL, SPLIT)}}


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, datetime.datetime):
        return str(value).removesuffix(" 00:00:00")
    return textwrap.shorten(str(value), 500, placeholder=" …")
