"""Images and labels in IDX files, the format of MNIST, as a source."""

import gzip
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import numpy as np
import pyarrow as pa

from pipeline.collect.images import encode_png
from pipeline.collect.source import IMAGES_PER_BATCH, KEY, ORIGIN, Source
from pipeline.errors import UserError
from pipeline.manifest import LABEL
from pipeline.recipe.data import IdxConfig

_PAIRS = {"train": "train", "test": "t10k"}
_UNSIGNED_BYTE = 0x08


class _Pair(NamedTuple):
    split: str
    images: Path
    labels: Path
    shape: tuple[int, ...]


def read_idx(section: IdxConfig) -> Source:
    """Reads the pairs of files of the MNIST format in a folder, gzipped or not.

    Raises:
        UserError: If a file is missing, of another format, or the two of a pair do not belong together.
    """
    folder = Path(section.path)
    pairs = [_pair(folder, split, prefix) for split, prefix in _PAIRS.items() if _exists(folder, prefix)]
    if not pairs:
        raise UserError(
            f"data.path: expected train-images-idx3-ubyte[.gz] and train-labels-idx1-ubyte[.gz] in {folder}. "
            f"Received: {', '.join(sorted(entry.name for entry in folder.iterdir())[:5]) or 'an empty folder'}."
        )
    by_source = section.split.by == "source"
    notes = () if by_source or len(pairs) == 1 else ("train and t10k are mixed: `data.split.by: source` keeps them",)
    return Source(
        kind="image",
        description=f"IDX files in {folder.name}/",
        label=("label",),
        batches=(batch for pair in pairs for batch in _batches(pair, by_source=by_source)),
        total=sum(pair.shape[0] for pair in pairs),
        notes=notes,
    )


def _names(folder: Path, prefix: str, content: str) -> list[Path]:
    return [folder / f"{prefix}-{content}-ubyte{suffix}" for suffix in ("", ".gz")]


def _exists(folder: Path, prefix: str) -> bool:
    return any(path.exists() for path in _names(folder, prefix, "images-idx3"))


def _pair(folder: Path, split: str, prefix: str) -> _Pair:
    images = next(path for path in _names(folder, prefix, "images-idx3") if path.exists())
    labels = next((path for path in _names(folder, prefix, "labels-idx1") if path.exists()), None)
    if labels is None:
        raise UserError(f"data.path: {images.name} has no labels: expected {prefix}-labels-idx1-ubyte[.gz] beside it.")
    shapes = []
    for path, dimensions in ((images, 3), (labels, 1)):
        with _open(path) as file:
            shapes.append(_header(file, path, dimensions))
    if shapes[0][0] != shapes[1][0]:
        raise UserError(
            f"{images}: {shapes[0][0]:,} images. {labels.name}: {shapes[1][0]:,} labels. They must be equal."
        )
    return _Pair(split, images, labels, shapes[0])


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _header(file: BinaryIO, path: Path, dimensions: int) -> tuple[int, ...]:
    """Reads the magic number (two zero bytes, type, number of dimensions) and the big-endian sizes."""
    try:
        start = file.read(4)
        if start != bytes([0, 0, _UNSIGNED_BYTE, dimensions]):
            raise UserError(
                f"{path}: expected an IDX file of unsigned bytes in {dimensions} dimensions. "
                f"Received: a file that begins with {start!r}."
            )
        return struct.unpack(f">{dimensions}I", file.read(4 * dimensions))
    except (gzip.BadGzipFile, EOFError, struct.error) as error:
        raise UserError(f"{path}: expected an IDX file. Received: a damaged one ({error}).") from error


def _batches(pair: _Pair, *, by_source: bool) -> Iterator[pa.RecordBatch]:
    num_images, height, width = pair.shape
    with _open(pair.images) as images, _open(pair.labels) as labels:
        _header(images, pair.images, 3)
        _header(labels, pair.labels, 1)
        for start in range(0, num_images, IMAGES_PER_BATCH):
            count = min(IMAGES_PER_BATCH, num_images - start)
            pixels = _read(images, pair.images, count * height * width).reshape(count, height, width)
            arrays = {
                "image": pa.array([encode_png(image) for image in pixels], pa.binary()),
                LABEL: pa.array(_read(labels, pair.labels, count).astype(np.int64)),
                ORIGIN: pa.array([f"{pair.images.name}[{start + row}]" for row in range(count)]),
            }
            if by_source:
                arrays[KEY] = pa.array([pair.split] * count)
            yield pa.RecordBatch.from_pydict(arrays)


def _read(file: BinaryIO, path: Path, size: int) -> np.ndarray:
    try:
        content = file.read(size)
    except (EOFError, gzip.BadGzipFile, OSError) as error:
        raise UserError(f"{path}: the file is damaged ({error}).") from error
    if len(content) < size:
        raise UserError(f"{path}: the file ends before its last example: it is not whole. Copy it again.")
    return np.frombuffer(content, np.uint8)
