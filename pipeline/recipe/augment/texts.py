"""Transforms of texts: of their tokens, which are words or characters (`preprocess.tokens`)."""

from typing import Literal

from pydantic import Field

from pipeline.recipe.augment.transform import Transform


class WordDropout(Transform):
    """Takes tokens out, each with the same chance, and closes the gaps; one always stays (Iyyer et al. 2015)."""

    type: Literal["word_dropout"]
    """The transform."""
    fraction: float = Field(0.1, gt=0, lt=1)
    """Chance of each token to be taken out."""


class WordSwap(Transform):
    """Lets random tokens of a text trade places (as in Wei and Zou 2019, "EDA"); for models that see the order."""

    type: Literal["word_swap"]
    """The transform."""
    fraction: float = Field(0.2, gt=0, le=1)
    """Chance of each token to be among those that trade places."""


class SpanMask(Transform):
    """Replaces a row of neighbouring tokens by unknown ones (as in Joshi et al. 2020, "SpanBERT"); one always stays."""

    type: Literal["span_mask"]
    """The transform."""
    fraction: float = Field(0.15, gt=0, lt=1)
    """Length of the row, as a share of the text's tokens; at least one token."""
