import gzip
import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import UserError
from tests.collect.conftest import run


def write_pair(folder: Path, prefix: str, images: np.ndarray, labels: np.ndarray, *, zipped: bool) -> None:
    opened = gzip.open if zipped else open
    suffix = ".gz" if zipped else ""
    with opened(folder / f"{prefix}-images-idx3-ubyte{suffix}", "wb") as file:
        file.write(bytes([0, 0, 8, 3]) + struct.pack(">III", *images.shape) + images.tobytes())
    with opened(folder / f"{prefix}-labels-idx1-ubyte{suffix}", "wb") as file:
        file.write(bytes([0, 0, 8, 1]) + struct.pack(">I", len(labels)) + labels.tobytes())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    (tmp_path / "idx").mkdir()
    for prefix, count, zipped in (("train", 300, True), ("t10k", 40, False)):
        images = random.integers(0, 256, (count, 6, 5), np.uint8)
        write_pair(tmp_path / "idx", prefix, images, (images[:, 0, 0] % 3).astype(np.uint8), zipped=zipped)
    return tmp_path / "idx"


def test_images_and_labels_belong_together_and_t10k_is_the_test(folder: Path, tmp_path: Path) -> None:
    collected = run(tmp_path / "out", type="idx", path=str(folder), split={"by": "source"})
    assert collected.manifest.counts["test"] == 40
    assert sum(collected.manifest.counts.values()) == 340
    assert collected.manifest.classes == ("0", "1", "2")
    for row in collected.development.to_pylist() + collected.test.to_pylist():
        pixels = np.asarray(Image.open(io.BytesIO(row["image"])))
        assert pixels.shape == (6, 5)
        assert row["__label__"] == pixels[0, 0] % 3


def test_by_hash_both_files_are_split_anew(folder: Path, tmp_path: Path) -> None:
    collected = run(tmp_path / "out", type="idx", path=str(folder))
    assert 50 < collected.manifest.counts["test"] < 90
    assert any("split.by: source" in line for line in collected.lines)


def test_truncated_file_is_refused(folder: Path, tmp_path: Path) -> None:
    path = folder / "t10k-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"t10k-images-idx3-ubyte: the file ends before its last example"):
        run(tmp_path / "out", type="idx", path=str(folder))


def test_images_without_labels_are_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(UserError, match=r"t10k-images-idx3-ubyte has no labels"):
        run(tmp_path / "out", type="idx", path=str(folder))


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "idx").mkdir()
    (tmp_path / "idx" / "train-images-idx3-ubyte").write_bytes(b"PK\x03\x04 something else")
    (tmp_path / "idx" / "train-labels-idx1-ubyte").write_bytes(b"")
    with pytest.raises(UserError, match=r"expected an IDX file of unsigned bytes in 3 dimensions"):
        run(tmp_path / "out", type="idx", path=str(tmp_path / "idx"))
