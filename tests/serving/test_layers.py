import numpy as np
import pytest
import tensorflow as tf

from pipeline.serving.layers import CategoryIndex, DecodeImage, ImputeNumbers, TokenIds
from tests.encoded import encoded

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 4, 3), dtype=np.uint8)
GREY = PIXELS[..., 0]


def decode(*images: bytes, height: int = 5, width: int = 4, channels: int = 3, method: str = "bilinear") -> np.ndarray:
    layer = DecodeImage(height, width, channels, method)
    eager = layer(tf.constant(images)).numpy()
    inside_map = next(iter(tf.data.Dataset.from_tensors(tf.constant(images)).map(layer))).numpy()
    np.testing.assert_array_equal(eager, inside_map)
    return eager


def test_lossless_images_of_every_mode_decode_to_their_pixels() -> None:
    decoded = decode(encoded(PIXELS), encoded(PIXELS, "RGBA"), encoded(PIXELS, file_format="BMP"))
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, [PIXELS] * 3)


def test_grey_becomes_colour_by_repetition() -> None:
    decoded = decode(encoded(GREY), encoded(GREY, "LA"), encoded(GREY, "P"))
    np.testing.assert_array_equal(decoded, [np.repeat(GREY[..., None], 3, axis=-1)] * 3)


def test_colour_becomes_grey_by_luma_rounded() -> None:
    luma = np.round(PIXELS @ np.array([0.299, 0.587, 0.114]))
    np.testing.assert_array_equal(decode(encoded(PIXELS), channels=1)[0, ..., 0], luma)


def test_jpeg_is_near_its_pixels() -> None:
    smooth = np.full((5, 4, 3), 200, np.uint8)
    decoded = decode(encoded(smooth, file_format="JPEG"), encoded(smooth[..., 0], file_format="JPEG")).astype(int)
    assert np.abs(decoded - 200).max() <= 2


def test_resizing_keeps_orientation_and_rounds() -> None:
    left_dark = np.tile(np.repeat(np.array([0, 201], np.uint8), 4), (6, 1))
    np.testing.assert_array_equal(
        decode(encoded(left_dark), height=3, width=2, channels=1, method="area")[0, 0, :, 0], [0, 201]
    )
    halves = decode(encoded(np.array([[0, 1], [0, 2]], np.uint8)), height=1, width=1, channels=1, method="area")
    assert halves.item() == 1  # 0.75


@pytest.mark.parametrize("method", ["bilinear", "nearest", "bicubic", "area"])
def test_every_method_gives_the_size_and_stays_in_range(method: str) -> None:
    edges = np.kron(np.eye(3, dtype=np.uint8), np.full((3, 3), 255, np.uint8))
    decoded = decode(encoded(edges), height=13, width=7, channels=1, method=method)
    assert decoded.shape == (1, 13, 7, 1)
    assert {0, 255} <= set(decoded.ravel().tolist())


def test_an_animation_gives_its_first_frame() -> None:
    assert decode(encoded(GREY, "P", "GIF")).shape == (1, 5, 4, 3)


def test_imputation_fills_and_flags() -> None:
    layer = ImputeNumbers([10.0, 20.0], [1])
    filled = layer(np.array([[np.nan, np.nan], [1, 2]], "float32"))
    assert filled.numpy().tolist() == [[10, 20, 1], [1, 2, 0]]


def test_columns_have_vocabularies_of_their_own_even_empty_ones() -> None:
    layer = CategoryIndex([["a", "b"], ["b"], []])
    assert layer(tf.constant([["a", "a", "a"], ["b", "b", ""]])).numpy().tolist() == [[2, 1, 1], [3, 2, 0]]


def test_tokens_have_at_least_one() -> None:
    assert TokenIds()(np.array([[0, 0], [5, 0]])).numpy().tolist() == [[1, 0], [5, 0]]
