"""Features of the frozen part, computed once where nothing random comes before it."""

import time
from pathlib import Path
from typing import Literal, NamedTuple

import keras
import numpy as np

from pipeline.batches import SHARE_OF_MEMORY
from pipeline.compute.memory import total_bytes
from pipeline.serving.outputs import BATCH_SIZE, predictor

Arrays = dict[str, np.ndarray]


class Features(NamedTuple):
    """What the frozen part says of one split."""

    arrays: Arrays
    """`features`, float32 `(num_examples, n)`: in memory, or memory-mapped."""
    examples_per_sec: float
    """Examples in a second, compilation apart."""


def compute_features(
    extractor: keras.Model, arrays: Arrays, file: Path, memory: Literal["auto", "memory", "disk"]
) -> Features:
    """Runs the frozen part over a split.

    Args:
        extractor: Prepared tensors by name -> features, `(batch, n)`.
        arrays: Prepared tensors of the split.
        file: Where features are kept that are not held in memory.
        memory: Where they are kept; auto: in memory while they fit in a quarter of it.
    """
    num_examples, width = len(next(iter(arrays.values()))), extractor.output.shape[-1]
    fits = 4 * num_examples * width <= SHARE_OF_MEMORY * total_bytes()
    predict = predictor(extractor)
    predict({name: array[:1] for name, array in arrays.items()})
    features: np.ndarray
    if memory == "memory" or (memory == "auto" and fits):
        features = np.empty((num_examples, width), np.float32)
    else:
        file.parent.mkdir(exist_ok=True)
        features = np.lib.format.open_memmap(file, "w+", np.float32, (num_examples, width))
    started = time.perf_counter()
    for first in range(0, num_examples, BATCH_SIZE):
        part = slice(first, first + BATCH_SIZE)
        features[part] = predict({name: array[part] for name, array in arrays.items()})
    return Features({"features": features}, num_examples / (time.perf_counter() - started))
