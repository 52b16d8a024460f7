"""What a folder of collected examples says of itself: `manifest.json`."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from models.spec import Kind, Task
from pipeline.serving.signature import Column

ID, LABEL, SPLIT = "__id__", "__label__", "__split__"
"""Reserved columns of the Arrow files: content hash, label, train | validation."""


@dataclass(frozen=True)
class Manifest:
    """Facts of the collected data that later stages build on."""

    kind: Kind
    task: Task
    label: tuple[str, ...]
    """Name of the label column, or of each column of a multi-label or multi-value task."""
    classes: tuple[str, ...]
    """Class names by index (binary and multiclass), label names (multilabel), empty for regression."""
    columns: tuple[Column, ...]
    """Columns of a table; empty for images and texts."""
    counts: dict[str, int]
    """Examples in train, validation and test."""
    fingerprint: str
    """Hash of all examples with labels and splits."""
    source: str
    """Where the data came from, in words."""
    missing: tuple[str, ...] = ()
    """Texts that mean a missing value in a CSV file; empty for other sources."""
    separator: str = ","
    """Character between the columns of a CSV file."""
    text: str = "text"
    """Column that texts came from."""

    def save(self, path: Path) -> None:
        """Writes the manifest as JSON."""
        path.write_text(json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    @staticmethod
    def load(path: Path) -> "Manifest":
        """Reads what `save` wrote."""
        tree: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        tree |= {key: tuple(tree[key]) for key in ("label", "classes", "missing")}
        tree["columns"] = tuple(Column(**column) for column in tree["columns"])
        return Manifest(**tree)
