import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf

from pipeline.augment.geometry import Affine, mirrored, rotated, shifted, zoomed
from pipeline.augment.warp import Fill, warp

FILLS: tuple[Fill, ...] = ("constant", "nearest", "reflect")
SCIPY_MODES = {"constant": "grid-constant", "nearest": "nearest", "reflect": "reflect"}
SHAPES = [(6, 9, 1), (7, 5, 3), (28, 28, 1)]

compiled = tf.function(warp, jit_compile=True, autograph=False)


def pictures(shape: tuple[int, int, int], count: int = 4) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)


def all_of(value: float, count: int = 4) -> tf.Tensor:
    return tf.fill((count,), value)


def moved(images: np.ndarray, source: Affine, fill: Fill = "constant") -> np.ndarray:
    result: np.ndarray = compiled(images, source, fill).numpy()
    return result


def by_scipy(images: np.ndarray, source: Affine, fill: Fill) -> np.ndarray:
    """The same maps by scipy, in float64."""
    result = np.empty(images.shape)
    centre = (np.array(images.shape[1:3]) - 1) / 2
    for i, image in enumerate(images):
        yy, yx, y0, xy, xx, x0 = (float(field[i]) for field in source)
        matrix = np.array([[yy, yx], [xy, xx]])
        offset = centre + np.array([y0, x0]) - matrix @ centre
        for channel in range(images.shape[3]):
            result[i, ..., channel] = scipy.ndimage.affine_transform(
                image[..., channel].astype(float), matrix, offset, order=1, mode=SCIPY_MODES[fill]
            )
    return result


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("fill", FILLS)
def test_warp_is_bilinear_with_each_fill(shape: tuple[int, int, int], fill: Fill) -> None:
    images = pictures(shape)
    source = (
        shifted(tf.constant([0.0, 1.25, -2.5, 9.0]), tf.constant([0.0, -0.75, 3.1, -11.0]))
        .then(rotated(tf.constant([0.3, -1.0, 2.0, 0.1])))
        .then(zoomed(tf.constant([1.0, 0.6, 1.3, 0.9])))
    )
    np.testing.assert_allclose(moved(images, source, fill), by_scipy(images, source, fill), atol=2e-3)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("fill", FILLS)
def test_identity_keeps_every_value_exactly(shape: tuple[int, int, int], fill: Fill) -> None:
    images = pictures(shape)
    source = shifted(all_of(0.0), all_of(0.0)).then(rotated(all_of(0.0))).then(zoomed(all_of(1.0)))
    np.testing.assert_array_equal(moved(images, source, fill), images)


def test_shift_of_rows_moves_the_image_down() -> None:
    images = pictures((6, 9, 3))
    result = moved(images, shifted(rows=all_of(2.0), columns=all_of(0.0)))
    np.testing.assert_array_equal(result[:, 2:], images[:, :-2])
    assert not result[:, :2].any()


def test_shift_of_columns_moves_the_image_right() -> None:
    images = pictures((6, 9, 3))
    result = moved(images, shifted(rows=all_of(0.0), columns=all_of(3.0)))
    np.testing.assert_array_equal(result[:, :, 3:], images[:, :, :-3])
    assert not result[:, :, :3].any()


@pytest.mark.parametrize("shape", [(6, 6, 1), (7, 7, 3)])
def test_positive_angle_turns_counter_clockwise(shape: tuple[int, int, int]) -> None:
    images = pictures(shape)
    result = moved(images, rotated(all_of(np.pi / 2)), "nearest")
    np.testing.assert_allclose(result, np.rot90(images, axes=(1, 2)), atol=2e-3)


def test_mirror_swaps_the_named_sides_exactly() -> None:
    images = pictures((6, 9, 3))
    yes, no = tf.fill((4,), True), tf.fill((4,), False)
    np.testing.assert_array_equal(moved(images, mirrored(rows=yes, columns=no)), images[:, ::-1])
    np.testing.assert_array_equal(moved(images, mirrored(rows=no, columns=yes)), images[:, :, ::-1])


def test_magnifying_spreads_the_centre() -> None:
    images = np.zeros((1, 9, 9, 1), np.uint8)
    images[0, 3:6, 3:6] = 200
    assert moved(images, zoomed(all_of(2.0, 1))).sum() == pytest.approx(4 * 9 * 200, rel=0.02)


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("shape", [(1, 5, 1), (5, 1, 1)])
def test_images_one_pixel_wide_are_interpolated_along_the_other_axis(shape: tuple[int, int, int], fill: Fill) -> None:
    images = pictures(shape)
    source = shifted(all_of(0.5), all_of(0.5))
    np.testing.assert_allclose(moved(images, source, fill), by_scipy(images, source, fill), atol=1e-3)


def test_float_images_are_warped_as_uint8_ones_are() -> None:
    images, source = pictures((6, 9, 3)), rotated(all_of(0.4))
    np.testing.assert_array_equal(moved(images.astype(np.float32), source), moved(images, source))
