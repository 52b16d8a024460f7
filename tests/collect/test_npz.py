import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import UserError
from tests.collect.conftest import run

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (400, 5, 4, 3), np.uint8)
ROWS = RANDOM.normal(size=(400, 3))


def saved(tmp_path: Path, **arrays: np.ndarray) -> str:
    np.savez_compressed(tmp_path / "arrays.npz", **arrays)
    return str(tmp_path / "arrays.npz")


def test_colour_images_with_one_hot_labels(tmp_path: Path) -> None:
    classes = IMAGES[:, 0, 0, 0] % 4
    path = saved(tmp_path, x=IMAGES, y=np.eye(4)[classes])
    collected = run(tmp_path / "out", type="npz", path=path)
    assert (collected.manifest.kind, collected.manifest.task) == ("image", "multiclass")
    for row in collected.test.to_pylist():
        pixels = np.asarray(Image.open(io.BytesIO(row["image"])))
        assert pixels.shape == (5, 4, 3)
        assert row["__label__"] == pixels[0, 0, 0] % 4


def test_rows_of_numbers_with_fractional_targets_are_regression(tmp_path: Path) -> None:
    path = saved(tmp_path, features=ROWS, target=ROWS.sum(axis=1))
    collected = run(tmp_path / "out", type="npz", path=path, x="features", y="target")
    assert (collected.manifest.kind, collected.manifest.task, collected.manifest.classes) == ("table", "regression", ())
    for row in collected.development.to_pylist():
        assert row["__label__"] == pytest.approx(row["x0"] + row["x1"] + row["x2"], abs=1e-5)


def test_matrix_of_zeros_and_ones_is_multilabel(tmp_path: Path) -> None:
    path = saved(tmp_path, x=ROWS, y=(ROWS > 0).astype(np.int64))
    collected = run(tmp_path / "out", type="npz", path=path)
    assert collected.manifest.task == "multilabel"
    for row in collected.development.to_pylist():
        assert row["__label__"] == [float(row[name] > 0) for name in ("x0", "x1", "x2")]


def test_pairs_of_the_source_are_its_splits(tmp_path: Path) -> None:
    labels = (ROWS[:, 0] > 0).astype(np.uint8)
    path = saved(tmp_path, x_train=ROWS[:300], y_train=labels[:300], x_test=ROWS[300:], y_test=labels[300:])
    collected = run(tmp_path / "out", type="npz", path=path, split={"by": "source"})
    assert set(collected.test.column("x0").to_pylist()) == set(ROWS[300:, 0])
    with pytest.raises(UserError, match=r"expected arrays x and y .* Set `data\.split\.by: source`"):
        run(tmp_path / "hash", type="npz", path=path)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"x": IMAGES / 255, "y": IMAGES[:, 0, 0, 0]},
            r"x: expected images, uint8 .* Received: float64 \(400, 5, 4, 3\)",
        ),
        ({"x": IMAGES, "y": np.zeros(399)}, r"x \(400, 5, 4, 3\) and y \(399,\) do not belong together"),
        ({"x": IMAGES, "y": ROWS}, r"y: expected 0 and 1 only in a matrix"),
        ({"x": ROWS, "y": np.array(["a", None] * 200)}, r"y: expected an array of plain values"),
        ({"a": ROWS}, r"expected arrays x and y .* Received: a"),
    ],
)
def test_arrays_that_are_neither_images_nor_rows_are_refused(
    tmp_path: Path, arrays: dict[str, np.ndarray], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        run(tmp_path / "out", type="npz", path=saved(tmp_path, **arrays))
