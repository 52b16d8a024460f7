"""Corruptions: each grows with its level, keeps the form of the examples, and draws the same at every level."""

import io

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from pipeline.metrics import Predicted
from pipeline.robustness import CORRUPTIONS, Tensors, measure_robustness

DIGITS = load_digits()


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray((pixels * 255 / 16).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


EXAMPLES: dict[str, Tensors] = {
    "image": {"image": np.array([png(np.kron(digit, np.ones((4, 4)))) for digit in DIGITS.images[:30]], dtype=object)},
    "text": {
        "text": np.array([f"the number {i} comes after some other number of this text" for i in range(30)], object)
    },
    "table": {
        "numbers": DIGITS.data[:30].astype(np.float32),
        "categories": np.array([[str(i % 3), "same"] for i in range(30)], dtype=object),
    },
}


def distance(before: Tensors, after: Tensors) -> float:
    if "image" in before:
        sides = [
            [np.asarray(Image.open(io.BytesIO(each)), float) for each in side["image"]] for side in (before, after)
        ]
        return float(np.mean([np.abs(a - b).mean() for a, b in zip(*sides, strict=True)]))
    if "text" in before:
        return float(sum(a != b for a, b in zip("".join(before["text"]), "".join(after["text"]), strict=False)))
    known = np.nan_to_num(after["numbers"], nan=-100.0)
    return float(np.abs(before["numbers"] - known).sum() + (before["categories"] != after["categories"]).sum())


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, each in CORRUPTIONS.items() for name in each])
def test_a_corruption_grows_with_its_level_and_keeps_the_form(kind: str, name: str) -> None:
    corrupt, amounts = CORRUPTIONS[kind][name]
    before = EXAMPLES[kind]
    found = [corrupt(before, amount) for amount in amounts]
    distances = [distance(before, after) for after in found]
    assert distances[0] > 0
    assert kind == "text" or distances == sorted(distances)
    for after in found:
        assert {key: (value.shape, value.dtype) for key, value in after.items()} == {
            key: (value.shape, value.dtype) for key, value in before.items()
        }
    again = corrupt(before, amounts[-1])
    assert all(str(again[key].tolist()) == str(found[-1][key].tolist()) for key in again)


def test_what_is_missing_at_one_level_is_missing_at_the_next() -> None:
    corrupt, amounts = CORRUPTIONS["table"]["missing"]
    few, many = (np.isnan(corrupt(EXAMPLES["table"], amount)["numbers"]) for amount in amounts[1:3])
    assert (few <= many).all()
    assert few.mean() == pytest.approx(amounts[1], abs=0.03)


def test_a_dropped_word_is_gone_and_a_text_never_empty() -> None:
    corrupt, _ = CORRUPTIONS["text"]["word drop"]
    assert all(corrupt(EXAMPLES["text"], 1.0)["text"] == "the")


def test_a_model_that_looks_at_brightness_is_scored_at_each_level() -> None:
    """It calls an image bright by a threshold, which less contrast does not move and noise does."""

    def predict(tensors: Tensors) -> Predicted:
        means = np.array([np.asarray(Image.open(io.BytesIO(each))).mean() for each in tensors["image"]])
        return Predicted("binary", labels, (means > 80).astype(float)[:, None])

    clean = np.array([np.asarray(Image.open(io.BytesIO(each))).mean() for each in EXAMPLES["image"]["image"]])
    labels = (clean > 80).astype(int)
    table = measure_robustness("accuracy", "image", EXAMPLES["image"], predict)
    assert len(table) == 4 * 5
    assert set(table.loc[table["level"] == 0, "score"]) == {1.0}
    assert table.loc[table["corruption"] == "contrast", "score"].min() > 0.9
    assert table.loc[table["corruption"] == "noise", "score"].min() < 0.7
    assert (table["low"] <= table["score"]).all()
