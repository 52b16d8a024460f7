"""Arrays of examples and labels in a NumPy .npz file as a source."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import pyarrow as pa

from pipeline.collect.images import encode_png
from pipeline.collect.source import IMAGES_PER_BATCH, KEY, ORIGIN, ROWS_PER_BATCH, Source, split_named
from pipeline.errors import UserError
from pipeline.manifest import LABEL
from pipeline.recipe.data import NpzConfig
from pipeline.serving.description import Column


class _Array(NamedTuple):
    """An array of the file, known by its header."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]


class _Pair(NamedTuple):
    split: str
    x: _Array
    y: _Array


def read_npz(section: NpzConfig) -> Source:
    """Reads arrays in chunks, never a whole one: uint8 images or rows of numbers, and their labels.

    Raises:
        UserError: If an array is missing, or has a shape or a type that is neither images nor rows.
    """
    path = Path(section.path)
    arrays = _headers(path)
    pairs = _pairs(section, arrays, path)
    image = _is_image(pairs[0].x, path)
    for pair in pairs:
        if pair.x.shape[1:] != pairs[0].x.shape[1:] or pair.x.shape[0] != pair.y.shape[0]:
            raise UserError(
                f"{path}: {pair.x.name} {pair.x.shape} and {pair.y.name} {pair.y.shape} do not belong together: "
                "expected as many labels as examples, and examples of one shape."
            )
    columns = () if image else tuple(f"x{place}" for place in range(pairs[0].x.shape[1]))
    classes = _label_names(pairs, path)
    return Source(
        kind="image" if image else "table",
        description=path.name,
        label=("y",),
        batches=_batches(path, pairs, columns, one_hot=_one_hot(path, pairs), by_source=section.split.by == "source"),
        total=sum(pair.x.shape[0] for pair in pairs),
        classes=classes,
        columns=tuple(Column(name, "number") for name in columns),
    )


def _headers(path: Path) -> dict[str, _Array]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
    except (zipfile.BadZipFile, OSError) as error:
        raise UserError(f"{path}: expected a NumPy .npz file. Received: {error}.") from error
    arrays = {}
    for name in names:
        with _opened(path, name) as (array, _):
            arrays[name] = array
    return arrays


@contextmanager
def _opened(path: Path, name: str) -> Iterator[tuple[_Array, IO[bytes]]]:
    """Opens one array of the file: its header, and the stream at its first value."""
    with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as stream:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(stream)
        if dtype.hasobject or (fortran and len(shape) > 1):
            raise UserError(
                f"{path}: {name}: expected an array of plain values in C order. Received: {dtype}"
                f"{' in Fortran order' if fortran else ' (pickled objects)'}. Save it again with np.ascontiguousarray."
            )
        yield _Array(name, shape, dtype), stream


def _chunks(path: Path, array: _Array, size: int) -> Iterator[np.ndarray]:
    row = int(np.prod(array.shape[1:], dtype=np.int64))
    with _opened(path, array.name) as (_, stream):
        for start in range(0, array.shape[0], size):
            count = min(size, array.shape[0] - start)
            content = stream.read(count * row * array.dtype.itemsize)
            yield np.frombuffer(content, array.dtype).reshape(count, *array.shape[1:])


def _pairs(section: NpzConfig, arrays: dict[str, _Array], path: Path) -> list[_Pair]:
    if section.split.by == "source":
        pairs = [
            _Pair(split, array, arrays[f"{section.y}{array.name.removeprefix(section.x)}"])
            for array in arrays.values()
            if array.name.startswith(f"{section.x}_")
            and (split := split_named(array.name.removeprefix(f"{section.x}_")))
            and f"{section.y}{array.name.removeprefix(section.x)}" in arrays
        ]
        if pairs:
            return pairs
        raise _lacks(path, arrays, f"{section.x}_train, {section.y}_train, {section.x}_test, {section.y}_test")
    if section.x in arrays and section.y in arrays:
        return [_Pair("all", arrays[section.x], arrays[section.y])]
    hint = " Set `data.split.by: source` for pairs such as x_train." if f"{section.x}_train" in arrays else ""
    raise _lacks(path, arrays, f"{section.x} and {section.y} (`data.x`, `data.y`)", hint)


def _lacks(path: Path, arrays: dict[str, _Array], expected: str, hint: str = "") -> UserError:
    return UserError(f"{path}: expected arrays {expected}. Received: {', '.join(arrays) or 'none'}.{hint}")


def _is_image(x: _Array, path: Path) -> bool:
    if len(x.shape) == 2 and x.dtype.kind in "iufb":
        return False
    if x.dtype == np.uint8 and (len(x.shape) == 3 or (len(x.shape) == 4 and x.shape[3] in (1, 3))):
        return True
    raise UserError(
        f"{path}: {x.name}: expected images, uint8 (n, height, width[, 1 or 3]), or rows of numbers, (n, columns). "
        f"Received: {x.dtype} {x.shape}."
    )


def _label_names(pairs: list[_Pair], path: Path) -> tuple[str, ...]:
    """Names of the columns of a matrix of labels; none for a vector."""
    y = pairs[0].y
    if not _is_matrix(y):
        return ()
    if len(y.shape) > 2 or y.dtype.kind not in "iufb":
        raise UserError(
            f"{path}: {y.name}: expected labels (n,), or 0 and 1 in (n, classes). Received: {y.dtype} {y.shape}."
        )
    for pair in pairs:
        for chunk in _chunks(path, pair.y, ROWS_PER_BATCH):
            if not np.isin(chunk, (0, 1)).all():
                raise UserError(f"{path}: {pair.y.name}: expected 0 and 1 only in a matrix of labels (n, classes).")
    return tuple(str(place) for place in range(y.shape[1]))


def _is_matrix(y: _Array) -> bool:
    return len(y.shape) > 1 and y.shape[1:] != (1,)


def _one_hot(path: Path, pairs: list[_Pair]) -> bool:
    """Whether every row of a matrix of labels names one class: an index in disguise."""
    if not _is_matrix(pairs[0].y):
        return False
    return all((chunk.sum(axis=1) == 1).all() for pair in pairs for chunk in _chunks(path, pair.y, ROWS_PER_BATCH))


def _batches(
    path: Path, pairs: list[_Pair], columns: tuple[str, ...], *, one_hot: bool, by_source: bool
) -> Iterator[pa.RecordBatch]:
    size = ROWS_PER_BATCH if columns else IMAGES_PER_BATCH
    for pair in pairs:
        start = 0
        for x, y in zip(_chunks(path, pair.x, size), _chunks(path, pair.y, size), strict=True):
            arrays = _features(x, columns)
            arrays[LABEL] = pa.array(y.argmax(axis=1)) if one_hot else _labels(y)
            arrays[ORIGIN] = pa.array([f"{pair.x.name}[{start + row}]" for row in range(len(x))])
            if by_source:
                arrays[KEY] = pa.array([pair.split] * len(x))
            start += len(x)
            yield pa.RecordBatch.from_pydict(arrays)


def _features(x: np.ndarray, columns: tuple[str, ...]) -> dict[str, pa.Array]:
    if not columns:
        return {"image": pa.array([encode_png(image) for image in x], pa.binary())}
    numbers = x.astype(np.float64)
    return {name: pa.array(numbers[:, place], from_pandas=True) for place, name in enumerate(columns)}


def _labels(y: np.ndarray) -> pa.Array:
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    return pa.array(y) if y.ndim == 1 else pa.array(y.astype(np.int8).tolist(), pa.list_(pa.int8()))
