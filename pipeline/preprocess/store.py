"""Prepared examples on disk: one memory-mappable `.npy` file a tensor."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pyarrow as pa
import tensorflow as tf

from pipeline.manifest import ID, LABEL
from pipeline.preprocess.split import Split
from pipeline.serving.raw import Array, raw_tensors
from pipeline.serving.signature import Signature

Prepare = Callable[[dict[str, tf.Tensor]], dict[str, tf.Tensor]]
"""Raw tensors -> prepared tensors."""


def compiled(prepare: keras.Model) -> Prepare:
    """Traces a model once, for batches of any size; AutoGraph would take a second and change nothing."""
    raw = {name: tf.TensorSpec(tensor.shape, tensor.dtype) for name, tensor in prepare.input.items()}
    function: Prepare = tf.function(prepare, input_signature=[raw], autograph=False)
    return function


def write_split(
    split: Split, count: int, prepare: Prepare, signature: Signature, folder: Path, advance: Callable[[int], None]
) -> dict[str, Array]:
    """Prepares the examples of a split, batch by batch, in the order of the file.

    Args:
        split: The examples.
        count: How many they are.
        prepare: What `compiled` gave.
        signature: What converts raw examples to raw tensors.
        folder: Where `<tensor>.npy`, `label.npy` and `id.npy` are written; it is made.
        advance: Told how many examples were written.

    Returns:
        What was written, memory-mapped: tensor name to `(count, ...)`; `label` int32 or float32; `id` hex text.
    """
    folder.mkdir(parents=True)
    arrays: dict[str, Array] = {}
    start = 0
    for batch in split.batches():
        prepared = prepare({name: tf.constant(raw) for name, raw in raw_tensors(batch, signature).items()})
        rows = {name: tensor.numpy() for name, tensor in prepared.items()}
        rows |= {"label": labels(batch.column(LABEL)), "id": np.asarray(batch.column(ID).to_pylist())}
        for name, values in rows.items():
            if name not in arrays:
                shape = (count, *values.shape[1:])
                arrays[name] = np.lib.format.open_memmap(folder / f"{name}.npy", "w+", values.dtype, shape)
            arrays[name][start : start + len(values)] = values
        start += batch.num_rows
        advance(batch.num_rows)
    assert start == count, f"{split.path}: the manifest counts {count} {split.name} examples; there are {start}"
    return arrays


def labels(column: pa.Array) -> Array:
    """Reads labels: int32 `(n,)` classes, float32 `(n,)` values, or float32 `(n, labels)` of lists."""
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type) or pa.types.is_fixed_size_list(column.type):
        return np.asarray(column.to_pylist(), dtype="float32")
    labels: Array = column.to_numpy(zero_copy_only=False)
    return labels
