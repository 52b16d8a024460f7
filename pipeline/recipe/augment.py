"""The recipe's `augment` section: random changes of training examples, in order; one class a transform.

What is drawn depends on the seed, the transform's place and type in the list, the epoch and the example; never on
threads, on batches or on the order of examples.
"""

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
    """What comes in at the borders: black, the nearest pixel, or the image mirrored at its border."""


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


class Contrast(Transform):
    """Spreads or narrows values about the mean of each image and channel."""

    type: Literal["contrast"]
    """The transform."""
    fraction: float = Field(0.2, gt=0, le=1)
    """Largest change: factors in [1 - fraction, 1 + fraction]."""


class Brightness(Transform):
    """Adds one value to all pixels of an image; what leaves the range is clipped."""

    type: Literal["brightness"]
    """The transform."""
    fraction: float = Field(0.2, gt=0, le=1)
    """Largest change either way, as a share of the range of values."""


class Noise(Transform):
    """Adds Gaussian noise to every value; what leaves the range is clipped."""

    type: Literal["noise"]
    """The transform."""
    stddev: float = Field(0.05, gt=0, le=1)
    """Standard deviation, as a share of the range of values."""


class Cutout(Transform):
    """Blackens a square centred anywhere in the image, so that part may lie outside (DeVries and Taylor 2017)."""

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
