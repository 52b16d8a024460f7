import numpy as np
import pytest
import tensorflow as tf

from pipeline.augment.hashing import Draws, draws
from pipeline.augment.pixels import brightness, contrast, cutout, hue, noise, posterize, saturation, solarize
from pipeline.recipe.augment import Brightness, Contrast, Cutout, Hue, Noise, Posterize, Saturation, Solarize

COUNT = 512


def some(probability: float = 1.0) -> Draws:
    return draws(1, probability, tf.range(COUNT), tf.constant(0))


def grey(value: float, shape: tuple[int, int, int] = (8, 12, 3)) -> tf.Tensor:
    return tf.fill((COUNT, *shape), value)


@pytest.fixture
def pictures() -> np.ndarray:
    return np.random.default_rng(0).uniform(100, 150, (COUNT, 8, 12, 3)).astype(np.float32)


def test_contrast_scales_the_spread_about_the_mean_of_each_channel(pictures: np.ndarray) -> None:
    result = contrast(Contrast(type="contrast", fraction=0.5), some(), tf.constant(pictures)).numpy()
    np.testing.assert_allclose(result.mean(axis=(1, 2)), pictures.mean(axis=(1, 2)), rtol=1e-5)
    factors = result.std(axis=(1, 2)) / pictures.std(axis=(1, 2))
    np.testing.assert_allclose(factors[:, 0], factors[:, 2], rtol=1e-4)
    assert 0.5 <= factors.min() < 0.51
    assert 1.49 < factors.max() <= 1.5001


def test_brightness_adds_one_value_to_an_image(pictures: np.ndarray) -> None:
    added = brightness(Brightness(type="brightness", fraction=0.2), some(), tf.constant(pictures)).numpy() - pictures
    np.testing.assert_allclose(added, np.broadcast_to(added[:, :1, :1, :1], added.shape), atol=1e-4)
    assert -51.01 < added.min() < -50.0
    assert 50.0 < added.max() < 51.01


@pytest.mark.parametrize("value", [0.0, 255.0])
def test_values_stay_in_range(value: float) -> None:
    for result in (
        brightness(Brightness(type="brightness", fraction=1.0), some(), grey(value)),
        noise(Noise(type="noise", stddev=1.0), some(), grey(value)),
        contrast(Contrast(type="contrast", fraction=1.0), some(), tf.concat([grey(value), grey(127.0)], axis=1)),
    ):
        assert tf.reduce_min(result) >= 0.0
        assert tf.reduce_max(result) <= 255.0


def test_noise_has_its_standard_deviation_and_differs_in_every_value() -> None:
    added = noise(Noise(type="noise", stddev=0.1), some(), grey(127.5)).numpy() - 127.5
    assert added.std() == pytest.approx(25.5, rel=0.01)
    assert abs(added.mean()) < 0.3
    flat = added.reshape(COUNT, -1)
    assert np.abs(np.corrcoef(flat.T) - np.eye(flat.shape[1])).max() < 0.25
    assert len(np.unique(flat[0])) == flat.shape[1]


def test_cutout_blackens_one_square_of_its_side() -> None:
    result = cutout(Cutout(type="cutout", fraction=0.5), some(), grey(200.0, (8, 12, 3))).numpy()
    black = result == 0.0
    assert ((result == 200.0) | black).all()
    rows, columns = black.any(axis=(2, 3)).sum(axis=1), black.any(axis=(1, 3)).sum(axis=1)
    np.testing.assert_array_equal(black.sum(axis=(1, 2, 3)), rows * columns * 3)
    assert (rows.min(), rows.max()) == (2, 4)
    assert (columns.min(), columns.max()) == (2, 4)
    assert black.any(axis=(0, 3)).all()


def hsv(images: np.ndarray) -> np.ndarray:
    """Hue in [0, 1) and saturation in [0, 1] of images in [0, 255], value as it is."""
    return tf.image.rgb_to_hsv(images / 255.0).numpy()  # type: ignore[no-any-return]


def test_hue_turns_all_colours_of_an_image_alike_and_keeps_the_rest(pictures: np.ndarray) -> None:
    before = hsv(pictures)
    after = hsv(hue(Hue(type="hue", fraction=0.1), some(), tf.constant(pictures)).numpy())
    np.testing.assert_allclose(after[..., 1:], before[..., 1:], atol=1e-4)
    turn = (after[..., 0] - before[..., 0] + 0.5) % 1.0 - 0.5
    np.testing.assert_allclose(turn, np.broadcast_to(turn[:, :1, :1], turn.shape), atol=1e-4)
    assert -0.1001 < turn.min() < -0.098
    assert 0.098 < turn.max() < 0.1001


def test_saturation_is_multiplied_and_hue_kept(pictures: np.ndarray) -> None:
    before = hsv(pictures)
    after = hsv(saturation(Saturation(type="saturation", fraction=0.5), some(), tf.constant(pictures)).numpy())
    np.testing.assert_allclose(after[..., 2], before[..., 2], atol=1e-4)
    factors = after[..., 1] / before[..., 1]
    np.testing.assert_allclose(factors, np.broadcast_to(factors[:, :1, :1], factors.shape), rtol=1e-3)
    assert 0.5 <= factors.min() < 0.51
    assert 1.49 < factors.max() <= 1.501


def test_saturation_stops_at_pure_colours() -> None:
    red = tf.constant([[[[200.0, 10.0, 10.0]]]] * COUNT)
    result = saturation(Saturation(type="saturation", fraction=1.0), some(), red).numpy()
    assert result.min() >= 0.0
    np.testing.assert_allclose(result[..., 0], 200.0, atol=1e-3)


def test_solarize_inverts_values_from_the_threshold_on() -> None:
    ramp = tf.reshape(tf.range(256, dtype=tf.float32), (1, 16, 16, 1))
    opened = draws(1, 1.0, tf.range(1), tf.constant(0))
    result = np.ravel(solarize(Solarize(type="solarize", threshold=0.4), opened, ramp))
    np.testing.assert_array_equal(result, [v if v < 102 else 255 - v for v in range(256)])


@pytest.mark.parametrize("bits", [1, 3, 7])
def test_posterize_keeps_the_highest_bits(bits: int) -> None:
    ramp = tf.reshape(tf.range(256, dtype=tf.float32), (1, 16, 16, 1))
    opened = draws(1, 1.0, tf.range(1), tf.constant(0))
    result = np.ravel(posterize(Posterize(type="posterize", bits=bits), opened, ramp))
    step = 2 ** (8 - bits)
    np.testing.assert_array_equal(result, np.arange(256) // step * step)


@pytest.mark.parametrize(
    ("change", "transform"),
    [
        (contrast, Contrast(type="contrast")),
        (brightness, Brightness(type="brightness")),
        (noise, Noise(type="noise")),
        (cutout, Cutout(type="cutout")),
        (hue, Hue(type="hue")),
        (saturation, Saturation(type="saturation")),
        (solarize, Solarize(type="solarize", threshold=0.45)),
        (posterize, Posterize(type="posterize")),
    ],
)
def test_examples_that_are_not_chosen_keep_every_value(change, transform, pictures: np.ndarray) -> None:  # type: ignore[no-untyped-def]
    opened = some(probability=0.4)
    changed = (change(transform, opened, tf.constant(pictures)).numpy() != pictures).any(axis=(1, 2, 3))
    np.testing.assert_array_equal(changed, opened.chosen())
    assert 0.3 < changed.mean() < 0.5
