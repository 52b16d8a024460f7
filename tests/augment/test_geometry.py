import math

import numpy as np
import pytest
import tensorflow as tf

from pipeline.augment.geometry import (
    Affine,
    crop_and_resize,
    cropped,
    flip,
    mirrored,
    rotate,
    rotated,
    shear,
    sheared,
    shift,
    shifted,
    zoom,
    zoomed,
)
from pipeline.augment.hashing import draws
from pipeline.recipe.augment import CropAndResize, Flip, Rotate, Shear, Shift, Zoom


def apply(source: Affine, y: float, x: float) -> tuple[float, float]:
    m = Affine(*(float(field[0]) for field in source))
    return m.yy * y + m.yx * x + m.y0, m.xy * y + m.xx * x + m.x0


def one(value: float) -> tf.Tensor:
    return tf.constant([value], tf.float32)


def some(count: int = 2000) -> tf.Tensor:
    return draws(1, 1.0, tf.range(count), tf.constant(0))


def test_shift_takes_rows_from_above_and_columns_from_the_left() -> None:
    assert apply(shifted(rows=one(2.0), columns=one(3.0)), 0.0, 0.0) == (-2.0, -3.0)


def test_quarter_turn_takes_the_top_from_the_right() -> None:
    # Counter-clockwise: what was at the right comes to the top.
    assert apply(rotated(one(math.pi / 2)), -1.0, 0.0) == pytest.approx((0.0, 1.0), abs=1e-6)


def test_zoom_in_takes_pixels_from_nearer_the_centre() -> None:
    assert apply(zoomed(one(2.0)), 4.0, -6.0) == (2.0, -3.0)


def test_composed_map_is_the_maps_applied_backwards() -> None:
    first, second, third = shifted(one(2.0), one(-1.0)), rotated(one(0.3)), zoomed(one(1.5))
    point = apply(first, *apply(second, *apply(third, 5.0, 7.0)))
    assert apply(first.then(second).then(third), 5.0, 7.0) == pytest.approx(point, abs=1e-5)


def test_mirror_after_shift_is_not_shift_after_mirror() -> None:
    mirror, move = mirrored(tf.constant([False]), tf.constant([True])), shifted(one(0.0), one(1.0))
    assert apply(move.then(mirror), 0.0, 0.0) == (0.0, -1.0)
    assert apply(mirror.then(move), 0.0, 0.0) == (0.0, 1.0)


def test_shift_draws_rows_from_the_height_and_columns_from_the_width() -> None:
    moved = shift(Shift(type="shift", fraction=0.25), some(), (40, 8))
    assert 9.9 < np.abs(moved.y0).max() <= 10.0
    assert 1.98 < np.abs(moved.x0).max() <= 2.0
    assert abs(np.corrcoef(moved.y0, moved.x0)[0, 1]) < 0.1


def test_rotate_draws_angles_up_to_its_degrees() -> None:
    drawn = rotate(Rotate(type="rotate", degrees=30.0), some(), (8, 8))
    angles = np.degrees(np.arctan2(drawn.yx, drawn.yy))
    assert -30.0001 < angles.min() < -29.9
    assert 29.9 < angles.max() < 30.0001


def test_zoom_draws_factors_around_one() -> None:
    factors = 1.0 / zoom(Zoom(type="zoom", fraction=0.2), some(), (8, 8)).yy.numpy()
    assert 0.8 <= factors.min() < 0.801
    assert 1.199 < factors.max() <= 1.2001


@pytest.mark.parametrize(("horizontal", "vertical"), [(True, False), (False, True), (True, True)])
def test_flip_mirrors_half_of_the_images_in_the_directions_named(horizontal: bool, vertical: bool) -> None:
    drawn = flip(Flip(type="flip", horizontal=horizontal, vertical=vertical), some(), (8, 8))
    assert (drawn.xx.numpy() < 0).mean() == pytest.approx(0.5 * horizontal, abs=0.05)
    assert (drawn.yy.numpy() < 0).mean() == pytest.approx(0.5 * vertical, abs=0.05)


def test_shear_of_rows_slides_lower_rows_to_the_left_and_keeps_the_middle_one() -> None:
    source = sheared(rows=one(0.5), columns=one(0.0))
    assert apply(source, 4.0, 1.0) == (4.0, 3.0)
    assert apply(source, 0.0, 1.0) == (0.0, 1.0)
    assert apply(sheared(rows=one(0.0), columns=one(0.5)), 1.0, 4.0) == (3.0, 4.0)


@pytest.mark.parametrize(("horizontal", "vertical"), [(True, False), (False, True), (True, True)])
def test_shear_draws_angles_up_to_its_degrees_in_the_directions_named(horizontal: bool, vertical: bool) -> None:
    drawn = shear(Shear(type="shear", degrees=20.0, horizontal=horizontal, vertical=vertical), some(), (8, 8))
    for slope, asked in ((drawn.xy, horizontal), (drawn.yx, vertical)):
        assert np.degrees(np.arctan(np.abs(slope).max())) == pytest.approx(20.0 * asked, abs=0.1)
    assert abs(np.asarray(drawn.xy).mean()) < 0.02


def test_crop_makes_the_corners_of_the_rectangle_those_of_the_image() -> None:
    # Half the height and all of the width of 9 by 5 pixels, at the lower edge: rows 4 to 8 of 0 to 8.
    source = cropped(one(0.5), one(1.0), one(1.0), one(-1.0), (9, 5))
    assert apply(source, -4.0, -2.0) == (0.0, -2.0)
    assert apply(source, 4.0, 2.0) == (4.0, 2.0)


def test_crops_have_their_share_of_the_area_and_never_leave_the_image() -> None:
    drawn = crop_and_resize(CropAndResize(type="crop_and_resize", min_area=0.2), some(), (20, 30))
    height, width = drawn.yy.numpy(), drawn.xx.numpy()
    inside = (height < 1) & (width < 1)
    areas, ratios = (height * width)[inside], (width / height)[inside]
    assert 0.199 < areas.min() < 0.21
    assert 0.9 < areas.max() <= 1.0
    assert 3 / 4 - 1e-3 < ratios.min() < 0.77
    assert 1.3 < ratios.max() < 4 / 3 + 1e-3
    for shift_, side, size in ((drawn.y0, height, 20), (drawn.x0, width, 30)):
        reach = np.abs(shift_) + side * (size - 1) / 2
        assert reach.max() <= (size - 1) / 2 + 1e-4
        assert np.abs(shift_).max() > 0.2 * size


def test_crops_of_aspect_1_keep_their_proportions() -> None:
    drawn = crop_and_resize(CropAndResize(type="crop_and_resize", aspect=1.0), some(), (20, 30))
    np.testing.assert_allclose(drawn.yy, drawn.xx, rtol=1e-6)
