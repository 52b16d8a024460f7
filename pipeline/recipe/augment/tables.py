"""Transforms of the rows of tables."""

from typing import Literal

from pydantic import Field

from pipeline.recipe.augment.transform import Transform


class FeatureNoise(Transform):
    """Adds Gaussian noise to numbers; columns of only 0 and 1, such as those of missing values, are left alone."""

    type: Literal["feature_noise"]
    """The transform."""
    stddev: float = Field(0.1, gt=0)
    """Standard deviation, as a share of each column's own over the training split."""


class SwapNoise(Transform):
    """Replaces single values by that of another training row in the same column (Jahrer 2017)."""

    type: Literal["swap_noise"]
    """The transform."""
    fraction: float = Field(0.15, gt=0, lt=1)
    """Chance of each value to be replaced; 0.15 is Jahrer's."""
