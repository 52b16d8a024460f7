import io

import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf
from PIL import Image

from pipeline.augment.filters import blur, jpeg
from pipeline.augment.hashing import Draws, draws
from pipeline.augment.smoothing import smooth
from pipeline.recipe.augment import Blur, Jpeg

COUNT = 64


def some(probability: float = 1.0) -> Draws:
    return draws(1, probability, tf.range(COUNT), tf.constant(0))


def pictures(channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (COUNT, 16, 12, channels)).astype(np.float32)


def test_smoothing_is_a_gaussian_with_the_sigma_of_each_image() -> None:
    images, sigmas = pictures()[:3], (0.0, 0.7, 2.0)
    result = smooth(tf.constant(images), tf.constant(sigmas), 2.0).numpy()
    np.testing.assert_array_equal(result[0], images[0])
    for image, sigma, ours in zip(images[1:], sigmas[1:], result[1:], strict=True):
        theirs = scipy.ndimage.gaussian_filter(image, (sigma, sigma, 0), mode="nearest", radius=(6, 6, 0))
        np.testing.assert_allclose(ours, theirs, atol=0.01)


def test_blur_takes_detail_by_amounts_up_to_its_sigma() -> None:
    dot = np.zeros((COUNT, 31, 31, 1), np.float32)
    dot[:, 15, 15] = 255.0
    result = blur(Blur(type="blur", sigma=2.0), some(), tf.constant(dot)).numpy()
    np.testing.assert_allclose(result.sum(axis=(1, 2, 3)), 255.0, rtol=1e-3)
    peaks = result[:, 15, 15, 0]
    assert 255 / (2 * np.pi * 4) - 0.1 < peaks.min() < 12.5
    assert peaks.max() > 250.0


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_is_what_another_decoder_reads_at_some_quality_from_the_lowest_on(channels: int) -> None:
    images = pictures(channels)
    result = jpeg(Jpeg(type="jpeg", quality=97), some(), tf.constant(images)).numpy()
    candidates = []
    for quality in range(97, 101):
        buffer = io.BytesIO()
        Image.fromarray(images[0].astype(np.uint8).squeeze()).save(buffer, "JPEG", quality=quality)
        candidates.append(np.asarray(Image.open(buffer), np.float32).reshape(images[0].shape))
    assert min(np.abs(result[0] - candidate).mean() for candidate in candidates) < 6.0
    np.testing.assert_array_equal(result, np.round(result))


def test_a_lower_quality_loses_more() -> None:
    images = tf.constant(pictures())
    losses = [
        np.abs(jpeg(Jpeg(type="jpeg", quality=quality), some(), images) - images).mean() for quality in (5, 50, 95)
    ]
    assert losses[0] > losses[1] > losses[2]


def test_qualities_are_spread_over_the_whole_range() -> None:
    same = np.repeat(pictures()[:1], COUNT, axis=0)
    result = jpeg(Jpeg(type="jpeg", quality=98), some(), tf.constant(same)).numpy()
    assert len(np.unique(result, axis=0)) == 3
