import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from pipeline.augment.hashing import Draws, draws
from pipeline.augment.operations import OPERATIONS, Chosen, equalized, names_for, operate
from pipeline.augment.policies import RAND_AUGMENT, _drawn, aug_mix, rand_augment, trivial_augment
from pipeline.recipe.augment import AugMix, RandAugment, TrivialAugment

COUNT = 256


def some(probability: float = 1.0, epoch: int = 0) -> Draws:
    return draws(1, probability, tf.range(COUNT), tf.constant(epoch))


def pictures(channels: int = 3, count: int = 4, size: tuple[int, int] = (16, 12)) -> tf.Tensor:
    """Smooth pictures, so that moving them by little changes them by little."""
    coarse = np.random.default_rng(0).integers(20, 230, (count, 4, 4, channels)).astype(np.float32)
    return tf.round(tf.image.resize(coarse, size))


def done(name: str, amount: float, images: tf.Tensor) -> np.ndarray:
    count = len(images)
    chosen = Chosen(tf.fill((count,), OPERATIONS.index(name)), tf.fill((count,), amount))
    return operate(images, chosen, RAND_AUGMENT).numpy()  # type: ignore[no-any-return]


def as_pil(image: np.ndarray) -> Image.Image:
    return Image.fromarray(image.astype(np.uint8))


def test_equalize_and_auto_contrast_are_those_of_pil_image_by_image() -> None:
    images = pictures(size=(48, 40))
    stretched = done("auto_contrast", 0.5, images)
    assert (equalized(images) != images).numpy().mean() > 0.5
    for image, equal, wide in zip(images.numpy(), equalized(images).numpy(), stretched, strict=True):
        np.testing.assert_array_equal(equal, np.asarray(ImageOps.equalize(as_pil(image))))
        np.testing.assert_allclose(wide, np.asarray(ImageOps.autocontrast(as_pil(image))), atol=1.01)


@pytest.mark.parametrize("value", [0.0, 77.0, 255.0])
def test_images_of_one_value_cannot_be_equalized(value: float) -> None:
    flat = tf.fill((2, 16, 16, 1), value)
    np.testing.assert_array_equal(equalized(flat), flat)


def test_values_move_the_way_the_operation_is_called() -> None:
    images = pictures().numpy()
    spread, grey = images.std(axis=(1, 2)), images.mean(axis=-1, keepdims=True)
    assert done("brightness", 0.5, pictures()).mean() > images.mean() > done("brightness", -0.5, pictures()).mean()
    assert (done("contrast", -0.5, pictures()).std(axis=(1, 2)) < 0.7 * spread).all()
    assert np.abs(done("color", -1.0, pictures()) - grey).mean() < 0.5 * np.abs(images - grey).mean()
    assert (done("posterize", 1.0, pictures()) % 16 == 0).all()
    np.testing.assert_array_equal(done("solarize", 1.0, pictures()), 255 - images)
    inner = np.s_[:, 1:-1, 1:-1]
    rough = np.random.default_rng(0).uniform(60, 190, (2, 16, 12, 3)).astype(np.float32)
    assert done("sharpness", 0.5, tf.constant(rough))[inner].std() > 1.1 * rough[inner].std()
    assert done("sharpness", -1.0, tf.constant(rough))[inner].std() < 0.7 * rough[inner].std()


def test_pixels_move_the_way_the_operation_is_called() -> None:
    images = pictures()
    right = done("translate_x", 0.5, images)
    np.testing.assert_array_equal(done("identity", 1.0, images), images)
    assert (right[:, :, :2] == 0).all()
    assert (done("translate_y", 0.5, images)[:, :3] == 0).all()
    whole = Chosen(tf.fill((4,), OPERATIONS.index("translate_x")), tf.fill((4,), 1.0))
    moved = operate(images, whole, RAND_AUGMENT._replace(shift=0.25)).numpy()
    np.testing.assert_allclose(moved[:, :, 3:], images[:, :, :-3], atol=1e-3)
    turned = operate(
        images,
        whole._replace(operation=tf.fill((4,), OPERATIONS.index("rotate"))),
        RAND_AUGMENT._replace(degrees=180.0),
    )
    np.testing.assert_allclose(turned, images[:, ::-1, ::-1], atol=0.05)


def test_grey_images_are_spared_what_changes_colours() -> None:
    assert set(OPERATIONS) - set(names_for(pictures(1))) == {"color"}
    assert names_for(pictures(3)) == OPERATIONS


def test_every_operation_is_drawn_equally_often_in_both_directions() -> None:
    opened = draws(1, 1.0, tf.range(14_000), tf.constant(0))
    chosen = _drawn(opened, 0, OPERATIONS, tf.fill((14_000,), 0.3))
    counts = np.bincount(chosen.operation, minlength=14)
    assert np.abs(counts - 1000).max() < 130
    assert np.unique(chosen.amount).tolist() == pytest.approx([-0.3, 0.3])


def change(transform: object, images: tf.Tensor, opened: Draws) -> np.ndarray:
    function = {RandAugment: rand_augment, TrivialAugment: trivial_augment, AugMix: aug_mix}[type(transform)]  # type: ignore[index]
    return function(transform, opened, images).numpy()  # type: ignore[no-any-return]


def same(channels: int = 3) -> tf.Tensor:
    return tf.repeat(pictures(channels, 1), COUNT, axis=0)


def distance(transform: object) -> float:
    return float(np.abs(change(transform, same(), some()) - same()).mean())


@pytest.mark.slow
def test_magnitude_severity_and_number_make_policies_stronger() -> None:
    assert distance(RandAugment(type="rand_augment", magnitude=3)) < distance(
        RandAugment(type="rand_augment", magnitude=25)
    )
    assert distance(RandAugment(type="rand_augment", num_ops=1)) < distance(RandAugment(type="rand_augment", num_ops=4))
    assert distance(AugMix(type="aug_mix", severity=1)) < distance(AugMix(type="aug_mix", severity=10))
    assert distance(AugMix(type="aug_mix", depth=1)) < distance(AugMix(type="aug_mix", depth=6))


def test_more_chains_of_aug_mix_average_out() -> None:
    one, many = (change(AugMix(type="aug_mix", width=width), same(), some()) for width in (1, 8))
    assert many.std(axis=0).mean() < one.std(axis=0).mean()


def test_trivial_augment_does_one_operation_of_rand_augment() -> None:
    result = change(TrivialAugment(type="trivial_augment"), same(), some())
    unchanged = (np.abs(result - same()) < 1e-3).all(axis=(1, 2, 3)).mean()
    # One of 14 operations is none, and some are too weak to be seen.
    assert 1 / 14 - 0.05 < unchanged < 0.3


@pytest.mark.parametrize("channels", [1, 3])
def test_values_stay_in_range(channels: int) -> None:
    for transform in (
        RandAugment(type="rand_augment", magnitude=30, num_ops=3),
        TrivialAugment(type="trivial_augment"),
        AugMix(type="aug_mix", severity=10),
    ):
        result = change(transform, same(channels), some())
        assert result.shape == same(channels).shape
        assert 0.0 <= result.min() < result.max() <= 255.001
