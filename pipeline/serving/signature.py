"""What turns a client's input into tensors and an output into an answer: written beside the model as JSON."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.serving.description import Description


@dataclass(frozen=True, kw_only=True)
class Signature(Description):
    """Everything outside the network that serving needs."""

    shapes: tuple[tuple[str, tuple[int, ...]], ...] = ()
    """Prepared tensors and their shapes without the batch: (("image", (8, 8, 1)),)."""
    category_sizes: tuple[int, ...] = ()
    """Number of indices of each category column."""
    vocabulary_size: int = 0
    """Number of token indices of a text; index 0 is padding."""

    def save(self, path: Path) -> None:
        """Writes the signature as JSON."""
        path.write_text(json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    @staticmethod
    def load(path: Path) -> "Signature":
        """Reads what `save` wrote."""
        tree = json.loads(path.read_text(encoding="utf-8"))
        tree["shapes"] = tuple((name, tuple(shape)) for name, shape in tree["shapes"])
        tree["category_sizes"] = tuple(tree["category_sizes"])
        return Signature.from_tree(tree)
