"""The recipe's `preprocess` section: what is fitted on the training split and travels inside the model."""

from typing import Annotated, Any, Literal

from pydantic import Field

from models.section import Section
from pipeline.errors import UserError

Pixels = Annotated[int, Field(ge=1)]


class PreprocessConfig(Section):
    """From raw examples to what the network takes. Keys of another kind of data than the recipe's are refused."""

    normalize: Literal["auto", "unit", "standard", "per_image", "none"] = "auto"
    """unit: to [0, 1]; standard: mean 0, variance 1 over the training split; per_image: mean 0, variance 1 in each
    image; auto: unit for images, standard for tables, none for texts."""

    size: Annotated[tuple[Pixels, Pixels], Field(strict=False)] | None = None
    """Images: (height, width) in pixels to resize to; by default the most common size of the training images."""
    channels: Literal[1, 3] | None = None
    """Images: 1 for grey, 3 for colour; by default 3 if any training image is in colour."""
    resize: Literal["bilinear", "nearest", "bicubic", "area"] | None = None
    """Images: method of resizing; by default bilinear (antialiased)."""

    impute: Literal["median", "mean", "most_frequent", "zero"] | None = None
    """Tables: what replaces a missing number; by default the median of the training split."""
    missing_indicator: bool | None = None
    """Tables: whether a 0/1 column is added for each number column with missing values; by default true."""
    categories: Literal["vocabulary", "hashing"] | None = None
    """Tables: how categories become indices; by default by a vocabulary, unknown ones sharing one index."""
    max_categories: Annotated[int, Field(ge=2)] | None = None
    """Tables: at most so many categories a column, the most frequent ones (or hash bins); by default 1000."""

    standardize: Literal["lower_and_strip_punctuation", "lower", "strip_punctuation", "none"] | None = None
    """Texts: cleaning before splitting; by default lower_and_strip_punctuation."""
    tokens: Literal["word", "character"] | None = None
    """Texts: what a token is; by default word."""
    ngrams: Annotated[int, Field(ge=1)] | None = None
    """Texts: token groups up to so many words; by default 1."""
    vocabulary_size: Annotated[int, Field(ge=3)] | None = None
    """Texts: at most so many tokens, the most frequent ones of the training split; by default 20000."""
    sequence_length: Annotated[int, Field(ge=1)] | None = None
    """Texts: tokens kept of each text; by default the 95th percentile of the training texts' lengths."""


KEYS = {
    "image": ("size", "channels", "resize"),
    "table": ("impute", "missing_indicator", "categories", "max_categories"),
    "text": ("standardize", "tokens", "ngrams", "vocabulary_size", "sequence_length"),
}
"""Which keys belong to which kind of data; `normalize` belongs to all."""

NORMALIZE = {
    "image": ("unit", "standard", "per_image", "none"),
    "table": ("standard", "unit", "none"),
    "text": ("none",),
}
"""Normalisations of each kind of data; the first is what `auto` means."""

DEFAULTS: dict[str, dict[str, Any]] = {
    "image": {"resize": "bilinear"},
    "table": {"impute": "median", "missing_indicator": True, "categories": "vocabulary", "max_categories": 1000},
    "text": {"standardize": "lower_and_strip_punctuation", "tokens": "word", "ngrams": 1, "vocabulary_size": 20000},
}
"""Values of keys that do not depend on the data itself."""


def resolve(section: PreprocessConfig, kind: str) -> PreprocessConfig:
    """Fills the defaults of one kind of data in; what depends on the training data stays None.

    Raises:
        UserError: If a key is set that belongs to another kind of data, or a normalisation the kind lacks.
    """
    given = section.model_dump(exclude_none=True)
    for key in given:
        if key != "normalize" and key not in KEYS[kind]:
            owner = next(k for k, keys in KEYS.items() if key in keys)
            raise UserError(
                f"preprocess.{key}: a key for {owner} data; this recipe's data is {kind}. Its keys: "
                f"{', '.join(('normalize', *KEYS[kind]))}"
            )
    if section.normalize == "auto":
        given["normalize"] = NORMALIZE[kind][0]
    elif section.normalize not in NORMALIZE[kind]:
        raise UserError(
            f"preprocess.normalize: expected one of {', '.join(NORMALIZE[kind])} for {kind} data. "
            f"Received: {section.normalize}"
        )
    return PreprocessConfig.model_validate({**DEFAULTS[kind], **given})
