"""Transforms that move the pixels of images."""

from typing import Literal

from pydantic import Field

from pipeline.recipe.augment.transform import Geometric, Transform


class Flip(Transform):
    """Mirrors images: in each direction that is named, half of them."""

    type: Literal["flip"]
    """The transform."""
    horizontal: bool = True
    """Whether left and right may be swapped."""
    vertical: bool = False
    """Whether top and bottom may be swapped."""


class Shift(Geometric):
    """Moves images up or down and sideways, by amounts drawn evenly and each on its own."""

    type: Literal["shift"]
    """The transform."""
    fraction: float = Field(0.1, gt=0, le=1)
    """Largest move either way: of rows as a share of the height, of columns as a share of the width."""


class Rotate(Geometric):
    """Turns images about their centre, by an angle drawn evenly."""

    type: Literal["rotate"]
    """The transform."""
    degrees: float = Field(10.0, gt=0, le=180)
    """Largest angle, clockwise or counter-clockwise, in degrees."""


class Zoom(Geometric):
    """Magnifies or shrinks images about their centre, height and width alike."""

    type: Literal["zoom"]
    """The transform."""
    fraction: float = Field(0.1, gt=0, lt=1)
    """Largest change of scale: factors in [1 - fraction, 1 + fraction], above 1 magnifying."""


class Shear(Geometric):
    """Slants images about their centre: rows slide sideways, columns up or down, by an angle drawn evenly."""

    type: Literal["shear"]
    """The transform."""
    degrees: float = Field(10.0, gt=0, le=80)
    """Largest angle either way, in degrees."""
    horizontal: bool = True
    """Whether rows slide sideways, so that upright lines lean."""
    vertical: bool = False
    """Whether columns slide up or down, so that level lines slope."""


class CropAndResize(Transform):
    """Cuts a rectangle out anywhere in the image and enlarges it to the whole size (Szegedy et al. 2015, "Inception").

    Its share of the area is drawn evenly, its proportions evenly on a logarithmic scale; a rectangle that would be
    higher or wider than the image is cut to it.
    """

    type: Literal["crop_and_resize"]
    """The transform."""
    min_area: float = Field(0.5, gt=0, lt=1)
    """Smallest rectangle, as a share of the image's area; the largest is the whole image. The paper has 0.08, for large
    photographs."""
    aspect: float = Field(4 / 3, ge=1, le=10)
    """Largest ratio of width to height relative to the image's own, and of height to width; 1: proportions are kept."""


class Elastic(Geometric):
    """Distorts images as a rubber sheet: every pixel moves its own way, neighbours alike (Simard et al. 2003).

    Both fields of displacement are noise, even in [-1, 1), smoothed by a Gaussian and multiplied. The defaults are the
    paper's for digits of 29×29 pixels, where they move a pixel by about 1.4 pixels each way.
    """

    type: Literal["elastic"]
    """The transform."""
    alpha: float = Field(34.0, gt=0)
    """What the smoothed displacement is multiplied by, in pixels."""
    sigma: float = Field(4.0, gt=0, le=64)
    """Standard deviation of the Gaussian, in pixels: how far pixels move alike."""
