"""The recipe's `augment` section: random changes of training examples, in order; one class a transform."""

from typing import Annotated, Literal

from pydantic import Field

from models.section import Section


class Transform(Section):
    """What every transform has."""

    probability: float = Field(1.0, gt=0, le=1)
    """Share of examples that are changed, drawn for each example and epoch."""


class Geometric(Transform):
    """Transforms that move pixels; consecutive ones with the same fill are one pass over the batch."""

    fill: Literal["constant", "nearest", "reflect"] = "constant"
    """What comes in at the borders: black, the nearest pixel, or the mirrored image."""


class Flip(Transform):
    """Mirrors images with probability one half in each direction named."""

    type: Literal["flip"]
    """The transform."""
    horizontal: bool = True
    """Whether left and right may be swapped."""
    vertical: bool = False
    """Whether top and bottom may be swapped."""


class Shift(Geometric):
    """Moves images sideways and up or down."""

    type: Literal["shift"]
    """The transform."""
    fraction: float = Field(0.1, gt=0, le=1)
    """Largest move, as a share of the height and of the width."""


class Rotate(Geometric):
    """Turns images about their centre."""

    type: Literal["rotate"]
    """The transform."""
    degrees: float = Field(10.0, gt=0, le=180)
    """Largest angle to either side, in degrees."""


class Zoom(Geometric):
    """Magnifies or shrinks images about their centre."""

    type: Literal["zoom"]
    """The transform."""
    fraction: float = Field(0.1, gt=0, lt=1)
    """Largest change of scale: factors in [1 - fraction, 1 + fraction]."""


class Contrast(Transform):
    """Spreads or narrows pixel values about each image's mean."""

    type: Literal["contrast"]
    """The transform."""
    fraction: float = Field(0.2, gt=0, le=1)
    """Largest change: factors in [1 - fraction, 1 + fraction]."""


class Brightness(Transform):
    """Adds a constant to all pixels of an image."""

    type: Literal["brightness"]
    """The transform."""
    fraction: float = Field(0.2, gt=0, le=1)
    """Largest change, as a share of the range of values."""


class Noise(Transform):
    """Adds Gaussian noise to every pixel."""

    type: Literal["noise"]
    """The transform."""
    stddev: float = Field(0.05, gt=0, le=1)
    """Standard deviation, as a share of the range of values."""


class Cutout(Transform):
    """Blackens a square at a random place (DeVries and Taylor 2017)."""

    type: Literal["cutout"]
    """The transform."""
    fraction: float = Field(0.25, gt=0, le=1)
    """Side of the square, as a share of the image's shorter side."""


AugmentConfig = Annotated[
    Flip | Shift | Rotate | Zoom | Contrast | Brightness | Noise | Cutout, Field(discriminator="type")
]
AugmentSection = Annotated[tuple[AugmentConfig, ...], Field(strict=False)]

KINDS = dict.fromkeys(("flip", "shift", "rotate", "zoom", "contrast", "brightness", "noise", "cutout"), "image")
"""Kind of data each transform is for."""
