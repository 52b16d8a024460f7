import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.journal import read_journal
from pipeline.serving.compose import load_model
from pipeline.serving.signature import Signature
from tests.encoded import encoded
from tests.preprocess.conftest import Prepare


def grey(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def images(*arrays: np.ndarray) -> dict[str, list[bytes]]:
    return {"image": [encoded(pixels) for pixels in arrays]}


def test_stored_pixels_are_those_of_the_files_in_order(prepare: Prepare) -> None:
    pixels = [grey(5, 4, seed=i) for i in range(7)]
    out, _ = prepare("image", images(*pixels[:5]), images(*pixels[5:]))
    train, validation = np.load(out / "train/image.npy"), np.load(out / "validation/image.npy")
    assert train.dtype == np.uint8
    np.testing.assert_array_equal(train[..., 0], pixels[:5])
    np.testing.assert_array_equal(validation[..., 0], pixels[5:])
    assert np.load(out / "validation/id.npy").tolist() == ["validation-0", "validation-1"]
    assert np.load(out / "train/label.npy").tolist() == [0, 1, 0, 1, 0]
    assert np.load(out / "train/label.npy").dtype == np.int32


def test_size_is_the_most_common_one_of_the_training_split_alone(prepare: Prepare) -> None:
    train = images(grey(4, 6), grey(4, 6), grey(9, 9))
    out, result = prepare("image", train, images(*[grey(9, 9)] * 5))
    assert Signature.load(out / "signature.json").shapes == (("image", (4, 6, 1)),)
    assert np.load(out / "validation/image.npy").shape == (5, 4, 6, 1)
    said = [record["text"] for record in read_journal(out / "journal.jsonl") if record["kind"] == "say"]
    assert said == ["1 of 3 training images are resized to 4×6"]
    assert result.summary == "image 4×6×1, normalised: unit; 3 train, 5 validation"


def test_one_colour_image_makes_all_colour(prepare: Prepare) -> None:
    out, _ = prepare("image", images(grey(4, 4), grey(4, 4, 3)), images(grey(4, 4)))
    stored = np.load(out / "validation/image.npy")
    assert stored.shape == (1, 4, 4, 3)
    np.testing.assert_array_equal(stored[..., 0], stored[..., 2])


def test_size_and_channels_of_the_recipe_win(prepare: Prepare) -> None:
    out, _ = prepare("image", images(grey(4, 4, 3)), images(grey(4, 4)), size=[3, 2], channels=1, resize="nearest")
    assert np.load(out / "train/image.npy").shape == (1, 3, 2, 1)


@pytest.mark.parametrize("given", ["uint8", "float32"])
@pytest.mark.parametrize("method", ["unit", "standard", "per_image", "none"])
def test_normalisation_takes_stored_and_augmented_images_alike(prepare: Prepare, method: str, given: str) -> None:
    train, validation = [grey(6, 6, 3, seed=i) for i in range(4)], [grey(6, 6, 3, seed=9)]
    out, _ = prepare("image", images(*train), images(*validation), normalize=method)
    normalized = load_model(out / "normalize.keras")({"image": np.asarray(validation, dtype=given)})["image"].numpy()
    x, fitted = np.asarray(validation, dtype="float64"), np.asarray(train, dtype="float64")
    expected = {
        "unit": x / 255,
        "standard": (x - fitted.mean(axis=(0, 1, 2))) / fitted.std(axis=(0, 1, 2)),
        "per_image": (x - x.mean()) / x.std(),
        "none": x,
    }[method]
    assert normalized.dtype == np.float32
    np.testing.assert_allclose(normalized, expected, rtol=1e-5, atol=1e-5)


def test_blank_images_stay_finite_under_every_normalisation(prepare: Prepare) -> None:
    out, _ = prepare("image", images(*[np.zeros((4, 4), np.uint8)] * 2), images(grey(4, 4)), normalize="standard")
    blank = np.zeros((1, 4, 4, 1), np.uint8)
    np.testing.assert_array_equal(load_model(out / "normalize.keras")({"image": blank})["image"], 0)


def test_what_was_fitted_is_written_for_readers(prepare: Prepare) -> None:
    out, _ = prepare("image", images(grey(4, 4)), images(grey(4, 4)), normalize="standard")
    facts = json.loads(Path(out / "artifacts/preprocess.json").read_text())
    assert facts["fitted"]["height"] == 4
    assert facts["normalization"]["image"]["offset"] == [grey(4, 4).mean()]


def test_keys_of_another_kind_of_data_are_refused(prepare: Prepare) -> None:
    with pytest.raises(UserError, match=r"preprocess\.impute: a key for table data; this recipe's data is image"):
        prepare("image", images(grey(4, 4)), images(grey(4, 4)), impute="mean")
