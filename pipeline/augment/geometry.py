"""Transforms that move pixels, as affine maps of coordinates; maps in a row compose into one."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from pipeline.augment.hashing import Draws
from pipeline.recipe.augment import CropAndResize, Flip, Rotate, Shear, Shift, Zoom


class Affine(NamedTuple):
    """Where each pixel of the output comes from, one map an example; every field is float32 (batch,).

    Rows y grow downwards and columns x to the right, in pixels from the image's centre:
    `source_y = yy * y + yx * x + y0` and `source_x = xy * y + xx * x + x0`.
    """

    yy: tf.Tensor
    yx: tf.Tensor
    y0: tf.Tensor
    xy: tf.Tensor
    xx: tf.Tensor
    x0: tf.Tensor

    def then(self, later: "Affine") -> "Affine":
        """The map of this transform followed by `later`."""
        return Affine(
            yy=self.yy * later.yy + self.yx * later.xy,
            yx=self.yy * later.yx + self.yx * later.xx,
            y0=self.yy * later.y0 + self.yx * later.x0 + self.y0,
            xy=self.xy * later.yy + self.xx * later.xy,
            xx=self.xy * later.yx + self.xx * later.xx,
            x0=self.xy * later.y0 + self.xx * later.x0 + self.x0,
        )


def still(count: int) -> Affine:
    """Leaves `count` images where they are."""
    one, zero = tf.ones((count,)), tf.zeros((count,))
    return Affine(one, zero, zero, zero, one, zero)


def mirrored(rows: tf.Tensor, columns: tf.Tensor) -> Affine:
    """Swaps top and bottom where `rows`, left and right where `columns`; bool (batch,)."""
    zero = tf.zeros(tf.shape(rows))
    return Affine(tf.where(rows, -1.0, 1.0), zero, zero, zero, tf.where(columns, -1.0, 1.0), zero)


def shifted(rows: tf.Tensor, columns: tf.Tensor) -> Affine:
    """Moves the image down by `rows` and to the right by `columns`; float32 (batch,), in pixels."""
    one, zero = tf.ones_like(rows), tf.zeros_like(rows)
    return Affine(one, zero, -rows, zero, one, -columns)


def rotated(angle: tf.Tensor) -> Affine:
    """Turns the image counter-clockwise, as seen, by `angle`; float32 (batch,), in radians."""
    cos, sin, zero = tf.cos(angle), tf.sin(angle), tf.zeros_like(angle)
    return Affine(cos, sin, zero, -sin, cos, zero)


def zoomed(factor: tf.Tensor) -> Affine:
    """Magnifies the image by `factor` > 1, or shrinks it by `factor` < 1; float32 (batch,)."""
    scale, zero = 1.0 / factor, tf.zeros_like(factor)
    return Affine(scale, zero, zero, zero, scale, zero)


def sheared(rows: tf.Tensor, columns: tf.Tensor) -> Affine:
    """Slides rows to the left the lower they lie, by `rows` pixels a pixel, and columns likewise; float32 (batch,)."""
    one, zero = tf.ones_like(rows), tf.zeros_like(rows)
    return Affine(one, columns, zero, rows, one, zero)


def cropped(height: tf.Tensor, width: tf.Tensor, top: tf.Tensor, left: tf.Tensor, size: tuple[int, int]) -> Affine:
    """Enlarges a rectangle to the whole image; the outermost pixels of the rectangle become those of the image.

    Args:
        height: float32 (batch,), in (0, 1]: the rectangle's share of the height.
        width: float32 (batch,), in (0, 1]: its share of the width.
        top: float32 (batch,), in [-1, 1]: from the image's upper edge to its lower one.
        left: float32 (batch,), in [-1, 1]: from its left edge to its right one.
        size: Height and width of the image, in pixels.
    """
    zero, (rows, columns) = tf.zeros_like(height), size
    down, right = top * (1.0 - height) * (rows - 1) / 2, left * (1.0 - width) * (columns - 1) / 2
    return Affine(height, zero, down, zero, width, right)


def flip_sides(transform: Flip, draws: Draws) -> tuple[tf.Tensor, tf.Tensor]:
    """Draws which examples swap top and bottom, and which left and right: two bool (batch,)."""
    chosen = draws.chosen()
    vertical = chosen & (draws.uniform(1, 0.0, 1.0) < 0.5) & transform.vertical
    horizontal = chosen & (draws.uniform(2, 0.0, 1.0) < 0.5) & transform.horizontal
    return vertical, horizontal


def flip(transform: Flip, draws: Draws, _size: tuple[int, int]) -> Affine:
    """Draws the map of a flip."""
    return mirrored(*flip_sides(transform, draws))


def shift(transform: Shift, draws: Draws, size: tuple[int, int]) -> Affine:
    """Draws the map of a shift of images of `size` (height, width)."""
    height, width = size
    return shifted(draws.amount(1, transform.fraction * height), draws.amount(2, transform.fraction * width))


def rotate(transform: Rotate, draws: Draws, _size: tuple[int, int]) -> Affine:
    """Draws the map of a rotation."""
    return rotated(draws.amount(1, math.radians(transform.degrees)))


def zoom(transform: Zoom, draws: Draws, _size: tuple[int, int]) -> Affine:
    """Draws the map of a zoom."""
    return zoomed(1.0 + draws.amount(1, transform.fraction))


def shear(transform: Shear, draws: Draws, _size: tuple[int, int]) -> Affine:
    """Draws the map of a shear; in both directions at once it is the sum of the two slants."""
    limit = math.radians(transform.degrees)
    rows = draws.amount(1, limit * transform.horizontal)
    columns = draws.amount(2, limit * transform.vertical)
    return sheared(tf.tan(rows), tf.tan(columns))


def crop_and_resize(transform: CropAndResize, draws: Draws, size: tuple[int, int]) -> Affine:
    """Draws the map of a rectangle that is cut out and enlarged."""
    limit = math.log(transform.aspect)
    area = draws.uniform(1, transform.min_area, 1.0)
    wider = tf.exp(draws.uniform(2, -limit, limit) / 2)
    height = tf.minimum(tf.sqrt(area) / wider, 1.0)
    width = tf.minimum(tf.sqrt(area) * wider, 1.0)
    height, width = (tf.where(draws.chosen(), side, 1.0) for side in (height, width))
    return cropped(height, width, draws.uniform(3, -1.0, 1.0), draws.uniform(4, -1.0, 1.0), size)


MAPS: dict[type, Callable[[Any, Draws, tuple[int, int]], Affine]] = {
    Flip: flip,
    Shift: shift,
    Rotate: rotate,
    Zoom: zoom,
    Shear: shear,
    CropAndResize: crop_and_resize,
}
"""Transform to the function that draws its map: `(transform, draws, (height, width)) -> Affine`."""
