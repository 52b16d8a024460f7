"""What a folder of collected examples says of itself: `manifest.json`."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.serving.description import Description

SEALED, TEST_FILE = "sealed", "test.arrow"
"""Folder of the test split in what collect writes, and its file; `sealed.py` reads it."""

ID, LABEL, SPLIT = "__id__", "__label__", "__split__"
"""Reserved columns of the Arrow files: content hash, label, train | validation."""


@dataclass(frozen=True, kw_only=True)
class Manifest(Description):
    """Facts of the collected data that later stages build on."""

    counts: dict[str, int]
    """Examples in train, validation and test."""
    fingerprint: str
    """Hash of all examples with labels and splits."""
    source: str
    """Where the data came from, in words."""

    @property
    def has_categories(self) -> bool:
        """Whether a table has columns of categories."""
        return any(column.type == "category" for column in self.columns)

    def save(self, path: Path) -> None:
        """Writes the manifest as JSON."""
        path.write_text(json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    @staticmethod
    def load(path: Path) -> "Manifest":
        """Reads what `save` wrote."""
        return Manifest.from_tree(json.loads(path.read_text(encoding="utf-8")))
