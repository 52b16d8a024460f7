"""What the transforms of the `augment` section have in common."""

from typing import Literal

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
