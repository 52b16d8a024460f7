from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.batches import Batches, read_prepared
from pipeline.errors import UserError
from pipeline.preview import _names, contact_sheet
from pipeline.recipe.augment import AugmentConfig, Brightness, Flip
from pipeline.serving.signature import Signature

FLIP: tuple[AugmentConfig, ...] = (Flip(type="flip"),)


def prepare(folder: Path, tensor: str, values: np.ndarray) -> Path:
    (folder / "train").mkdir()
    np.save(folder / "train" / f"{tensor}.npy", values)
    np.save(folder / "train" / "label.npy", np.arange(len(values), dtype=np.int32) % 2)
    Signature(kind="image", task="binary", label=("label",), classes=("cat", "dog")).save(folder / "signature.json")
    return folder


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """Images of one value each: example i is 10 * (i + 1) everywhere."""
    values = np.arange(10, 130, 10, dtype=np.uint8)
    return prepare(tmp_path, "image", np.broadcast_to(values[:, None, None, None], (12, 8, 6, 1)).copy())


def cells(path: Path, rows: int, columns: int) -> np.ndarray:
    """The grey value in the middle of each image of the sheet, left and right of the labels' margin alike."""
    with Image.open(path) as sheet:
        pixels = np.asarray(sheet.convert("L"))
    found = []
    frame = np.argwhere(pixels < 250)
    (top, left), (bottom, right) = frame.min(axis=0), frame.max(axis=0)
    for row in range(rows):
        y = int(top + (row + 0.55) * (bottom - top) / rows)
        found.append(
            [int(pixels[y, int(left + (column + 0.55) * (right - left) / columns)]) for column in range(columns)]
        )
    return np.array(found)


@pytest.mark.parametrize("channels", [1, 3])
def test_sheet_shows_the_first_examples_of_the_first_epoch(tmp_path: Path, channels: int) -> None:
    values = np.broadcast_to(np.arange(10, 130, 10, dtype=np.uint8)[:, None, None, None], (12, 8, 8, channels)).copy()
    prepare(tmp_path, "image", values)
    contact_sheet(tmp_path, FLIP, seed=5, out=tmp_path / "sheet.png", rows=3, columns=4)
    order = Batches({"image": values}, np.zeros(12), batch_size=3, seed=5).indices(0, 0)
    np.testing.assert_array_equal(cells(tmp_path / "sheet.png", 3, 4), np.repeat(10 * (order + 1)[:, None], 4, axis=1))


def test_sheet_shows_what_augmentation_makes_of_each_example(prepared: Path) -> None:
    brighter = (Brightness(type="brightness", fraction=0.3),)
    contact_sheet(prepared, brighter, seed=5, out=prepared / "sheet.png", rows=2, columns=4)
    arrays, label = read_prepared(prepared / "train")
    epochs = Batches(arrays, label, batch_size=12, seed=5, augment=brighter)
    order = epochs.indices(0, 0)[:2]
    expected = [arrays["image"][order, 0, 0, 0]]
    for epoch in range(3):
        inputs, _ = epochs.batch(epoch, 0)
        place = np.argsort(epochs.indices(epoch, 0))[order]
        expected.append(inputs["image"].numpy()[place, 0, 0, 0])
    # PNG and colour map round twice.
    np.testing.assert_allclose(cells(prepared / "sheet.png", 2, 4), np.stack(expected, axis=1), atol=2)


def test_sheet_of_fewer_examples_than_rows_shows_them_all(prepared: Path) -> None:
    contact_sheet(prepared, FLIP, seed=5, out=prepared / "sheet.png", rows=40, columns=2)
    with Image.open(prepared / "sheet.png") as sheet:
        assert sheet.height == 6 * sheet.width


def test_labels_are_shown_in_words(prepared: Path, tmp_path: Path) -> None:
    signature = prepared / "signature.json"
    assert _names(np.array([1, 0]), signature) == ["dog", "cat"]
    assert _names(np.array([[1, 1], [0, 1]]), signature) == ["cat\ndog", "dog"]
    assert _names(np.array([0.25, 3.0], np.float32), tmp_path / "missing.json") == ["0.25", "3."]


def test_only_images_can_be_previewed(tmp_path: Path) -> None:
    prepare(tmp_path, "tokens", np.zeros((4, 3), np.int32))
    with pytest.raises(UserError, match=r"preview: expected examples that are images\. Received: tokens"):
        contact_sheet(tmp_path, FLIP, seed=5, out=tmp_path / "sheet.png")
