"""Published policies, which choose transforms of images and their strengths by themselves."""

from typing import Literal

from pydantic import Field

from pipeline.recipe.augment.transform import Transform


class RandAugment(Transform):
    """Some operations in a row, each drawn from 14 and all of one strength (Cubuk et al. 2020).

    Operations: none, automatic contrast, equalise, rotate, solarise, colour, posterise, contrast, brightness,
    sharpness, shear and shift along either axis; on grey images without colour.
    """

    type: Literal["rand_augment"]
    """The transform."""
    num_ops: int = Field(2, ge=1, le=8)
    """Operations in a row (the paper's N)."""
    magnitude: float = Field(9.0, gt=0, le=30)
    """Strength of each on the paper's scale to 30 (its M)."""


class TrivialAugment(Transform):
    """One operation of RandAugment's, its strength drawn anew for each example from a wide range; nothing to tune.

    It is TrivialAugmentWide of Müller and Hutter 2021.
    """

    type: Literal["trivial_augment"]
    """The transform."""


class AugMix(Transform):
    """Mixes chains of operations with the original, by random weights (Hendrycks et al. 2020).

    Weights are even (Dirichlet and Beta with parameter 1), as in the paper; its consistency loss is not part of this.
    """

    type: Literal["aug_mix"]
    """The transform."""
    severity: float = Field(3.0, ge=1, le=10)
    """Largest strength of an operation, of 10."""
    width: int = Field(3, ge=1, le=8)
    """Chains that are mixed."""
    depth: int = Field(3, ge=1, le=8)
    """Most operations in a chain; their number is drawn evenly."""
