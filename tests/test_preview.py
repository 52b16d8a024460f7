from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.batches import Batches, read_prepared
from pipeline.preview import _names, _write, contact_sheet, versions
from pipeline.recipe.augment import AugmentConfig, Brightness, CutMix, Flip, SpanMask, SwapNoise
from pipeline.serving.compose import load_model
from pipeline.serving.signature import Signature
from pipeline.words import in_words
from tests.small_runs import Stages

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


def cells_of(path: Path, rows: int, columns: int) -> np.ndarray:
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
    np.testing.assert_array_equal(
        cells_of(tmp_path / "sheet.png", 3, 4), np.repeat(10 * (order + 1)[:, None], 4, axis=1)
    )


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
    np.testing.assert_allclose(cells_of(prepared / "sheet.png", 2, 4), np.stack(expected, axis=1), atol=2)


def test_sheet_of_fewer_examples_than_rows_shows_them_all(prepared: Path) -> None:
    contact_sheet(prepared, FLIP, seed=5, out=prepared / "sheet.png", rows=40, columns=2)
    with Image.open(prepared / "sheet.png") as sheet:
        assert sheet.height == 6 * sheet.width


def test_labels_are_shown_in_words(prepared: Path, tmp_path: Path) -> None:
    signature = prepared / "signature.json"
    assert _names(np.array([1, 0]), signature) == ["dog", "cat"]
    assert _names(np.array([[1, 1], [0, 1]]), signature) == ["cat\ndog", "dog"]
    assert _names(np.array([0.25, 3.0], np.float32), tmp_path / "missing.json") == ["0.25", "3."]


def words_of(folder: Path, augment: tuple[AugmentConfig, ...]) -> str:
    """What a page of words says."""
    heading, tell = in_words(folder)
    arrays, _ = read_prepared(folder / "train")
    originals = {name: array[:4] for name, array in arrays.items()}
    changed = versions(originals, arrays, augment, seed=1)(np.arange(4), 0)
    page = _write(heading, list(zip(tell(originals), tell(changed), strict=True)), list("abcd"))
    return str(page.texts[0].get_text())


@pytest.mark.slow
def test_texts_are_shown_in_words(topics: Stages, tmp_path: Path) -> None:
    masked = (SpanMask(type="span_mask", fraction=0.5),)
    said = words_of(topics.prepared, masked)
    words = load_model(topics.prepared / "prepare.keras").get_layer("vectorize").get_vocabulary()
    original, changed = (line.split()[1:] for line in said.splitlines()[1:3])
    assert set(original) <= set(words)
    changed = changed if changed[0] != "1" else changed[1:]
    assert changed.count("[UNK]") > original.count("[UNK]")
    contact_sheet(topics.prepared, masked, seed=5, out=tmp_path / "sheet.png", rows=2, columns=3)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert np.asarray(sheet.convert("L")).min() < 100


def test_rows_are_shown_under_the_names_of_their_columns(cells: Stages, tmp_path: Path) -> None:
    swapped = (SwapNoise(type="swap_noise", fraction=0.9),)
    heading, _, original, changed = words_of(cells.prepared, swapped).splitlines()[:4]
    assert "mean radius" in heading
    assert "size" in heading
    assert ("small" in original) or ("large" in original)
    assert original.split()[1:] != changed.split()[2:]
    contact_sheet(cells.prepared, swapped, seed=5, out=tmp_path / "sheet.png", rows=2, columns=3)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert np.asarray(sheet.convert("L")).min() < 100


def test_mixed_images_are_mixed_with_those_on_the_sheet(prepared: Path) -> None:
    contact_sheet(prepared, (CutMix(type="cutmix"),), seed=5, out=prepared / "sheet.png", rows=4, columns=9)
    shown = cells_of(prepared / "sheet.png", 4, 9)
    assert (shown[:, 1:] != shown[:, :1]).any()
    assert set(np.ravel(shown)) <= {value + nearby for value in shown[:, 0] for nearby in (-1, 0, 1)}
