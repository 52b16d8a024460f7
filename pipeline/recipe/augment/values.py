"""Transforms that change the values of pixels where they are."""

from typing import Literal

from pydantic import Field

from pipeline.recipe.augment.transform import Transform


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


class Hue(Transform):
    """Turns all colours of an image along the colour circle, by an angle drawn evenly; takes colour images."""

    type: Literal["hue"]
    """The transform."""
    fraction: float = Field(0.05, gt=0, le=0.5)
    """Largest turn either way, as a share of the circle; 0.5 reaches the opposite colour."""


class Saturation(Transform):
    """Makes the colours of an image stronger or paler; takes colour images."""

    type: Literal["saturation"]
    """The transform."""
    fraction: float = Field(0.3, gt=0, le=1)
    """Largest change: saturation is multiplied by a factor in [1 - fraction, 1 + fraction]."""


class Solarize(Transform):
    """Inverts the values above a threshold, as an over-exposed film does."""

    type: Literal["solarize"]
    """The transform."""
    threshold: float = Field(0.5, ge=0, le=1)
    """Values from here on are inverted, as a share of the range."""


class Posterize(Transform):
    """Keeps the highest bits of each value: few tones."""

    type: Literal["posterize"]
    """The transform."""
    bits: int = Field(4, ge=1, le=7)
    """Bits of 8 that are kept."""


class Blur(Transform):
    """Blurs with a Gaussian whose width is drawn evenly."""

    type: Literal["blur"]
    """The transform."""
    sigma: float = Field(1.0, gt=0, le=32)
    """Largest standard deviation, in pixels."""


class Jpeg(Transform):
    """Compresses and decompresses as JPEG, with a quality drawn evenly; one image after another, so it takes time."""

    type: Literal["jpeg"]
    """The transform."""
    quality: int = Field(50, ge=1, le=99)
    """Lowest quality; the highest is 100."""
