"""Prepared examples in words: texts as their tokens, rows of tables as their columns."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from pipeline.serving.compose import load_model
from pipeline.serving.layers import CategoryIndex, ImputeNumbers
from pipeline.serving.raw import category_columns, number_columns
from pipeline.serving.signature import Signature

CELL = 12
"""Characters of a column of a table."""
NUM_COLUMNS = 10
"""Columns of a table that are shown."""

InWords = Callable[[dict[str, np.ndarray]], list[str]]
"""Prepared tensors of some examples to a line for each."""


def in_words(prepared: Path) -> tuple[str, InWords]:
    """Finds how examples are told in words.

    Args:
        prepared: What preprocess wrote, of texts or of a table.

    Returns:
        A heading, empty for texts, and the function that tells examples.
    """
    signature, prepare = Signature.load(prepared / "signature.json"), load_model(prepared / "prepare.keras")
    return ("", _texts(prepare)) if signature.kind == "text" else _rows(prepare, signature)


def _texts(prepare: keras.Model) -> InWords:
    vocabulary = prepare.get_layer("vectorize").get_vocabulary()
    return lambda arrays: [" ".join(vocabulary[token] for token in row if token) for row in arrays["tokens"]]


def _rows(prepare: keras.Model, signature: Signature) -> tuple[str, InWords]:
    numbers = [column.name for column in number_columns(signature)]
    for layer in prepare.layers:
        if isinstance(layer, ImputeNumbers):
            numbers += [f"no {numbers[i]}" for i in layer.indicators]
    lookups = [layer.vocabularies for layer in prepare.layers if isinstance(layer, CategoryIndex)]
    names = [*numbers, *(column.name for column in category_columns(signature))]

    def tell(arrays: dict[str, np.ndarray]) -> list[str]:
        cells = [[f"{value:.4g}" for value in row] for row in arrays.get("numbers", np.zeros((0, 0)))]
        words = [
            [_category(index, lookups[0][column] if lookups else []) for column, index in enumerate(row)]
            for row in arrays.get("categories", np.zeros((0, 0)))
        ]
        both = [a + b for a, b in zip(cells, words, strict=True)] if cells and words else cells or words
        return [_line(row) for row in both]

    return _line(names), tell


def _category(index: int, vocabulary: list[str]) -> str:
    """The word of an index; where there is none, the index: hashed, missing or unknown categories."""
    place = index - CategoryIndex.NUM_SPECIAL
    return vocabulary[place] if 0 <= place < len(vocabulary) else f"#{index}"


def _line(cells: list[str]) -> str:
    left_out = ["…"] if len(cells) > NUM_COLUMNS else []
    return " ".join(f"{cell[:CELL]:<{CELL}}" for cell in [*cells[:NUM_COLUMNS], *left_out]).rstrip()
