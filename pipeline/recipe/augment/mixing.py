"""Transforms that mix two examples of a batch and their labels; they come last, and are for classes only."""

from typing import Literal

from pydantic import Field

from pipeline.recipe.augment.transform import Transform


class Mixup(Transform):
    """Averages examples and labels of pairs with a random weight (Zhang et al. 2018).

    Pixels and numbers are averaged; a category is taken whole from either, with the weight as its chance.
    """

    type: Literal["mixup"]
    """The transform."""
    alpha: float = Field(0.2, gt=0, le=100)
    """Weights are drawn from Beta(alpha, alpha): below 1 mostly near 0 or 1, at 1 evenly."""


class CutMix(Transform):
    """Pastes a rectangle of another image in; labels are averaged by area (Yun et al. 2019)."""

    type: Literal["cutmix"]
    """The transform."""
    alpha: float = Field(1.0, gt=0, le=100)
    """The area that is kept is drawn from Beta(alpha, alpha); 1 is the paper's: evenly."""
