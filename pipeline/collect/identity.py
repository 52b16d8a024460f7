"""The identity of an example: a hash of what it contains, and nothing else."""

import hashlib

import pyarrow as pa
import pyarrow.compute as pc

_BETWEEN, _MISSING = "\x1f", "\x00"


def content_ids(features: pa.RecordBatch) -> list[str]:
    """Hashes the features of each example.

    Equal contents have equal ids, whatever their row, their label, the order of the columns, or whether a number was
    written 3 or 3.0.

    Args:
        features: Feature columns only: one of encoded bytes or texts, or the columns of a table.

    Returns:
        32 hex digits an example (BLAKE2b, 128 bits).
    """
    names = sorted(features.schema.names)
    columns = [features.column(name) for name in names]
    if len(columns) > 1 or not _is_bytes_or_text(columns[0].type):
        texts = [column.cast(pa.string()) for column in columns]
        joined = pc.binary_join_element_wise(*texts, _BETWEEN, null_handling="replace", null_replacement=_MISSING)
    else:
        joined = columns[0]
    prefix = _BETWEEN.join(names).encode() + b"\n"
    return [
        hashlib.blake2b(prefix + (value.encode() if isinstance(value, str) else value), digest_size=16).hexdigest()
        for value in joined.to_pylist()
    ]


def _is_bytes_or_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_string(kind))
