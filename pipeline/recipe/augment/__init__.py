"""The recipe's `augment` section: random changes of training examples, in order; one class a transform.

What is drawn depends on the seed, the transform's place and type in the list, the epoch and the example; never on
threads, on batches or on the order of examples.
"""

from typing import Annotated

from pydantic import Field

from pipeline.recipe.augment.mixing import CutMix, Mixup
from pipeline.recipe.augment.moves import CropAndResize, Elastic, Flip, Rotate, Shear, Shift, Zoom
from pipeline.recipe.augment.policies import AugMix, RandAugment, TrivialAugment
from pipeline.recipe.augment.tables import FeatureNoise, SwapNoise
from pipeline.recipe.augment.texts import SpanMask, WordDropout, WordSwap
from pipeline.recipe.augment.transform import Geometric
from pipeline.recipe.augment.values import (
    Blur,
    Brightness,
    Contrast,
    Cutout,
    Hue,
    Jpeg,
    Noise,
    Posterize,
    Saturation,
    Solarize,
)

IMAGES = (
    "flip",
    "shift",
    "rotate",
    "zoom",
    "shear",
    "crop_and_resize",
    "elastic",
    "contrast",
    "brightness",
    "noise",
    "cutout",
    "hue",
    "saturation",
    "solarize",
    "posterize",
    "blur",
    "jpeg",
    "rand_augment",
    "trivial_augment",
    "aug_mix",
)
"""Transforms of images."""

TEXTS = ("word_dropout", "word_swap", "span_mask")
"""Transforms of texts."""

TABLES = ("feature_noise", "swap_noise")
"""Transforms of rows of tables."""

MIXING = ("mixup", "cutmix")
"""Transforms that mix examples and their labels, which become soft."""

KINDS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(IMAGES, ("image",)),
    **dict.fromkeys(TEXTS, ("text",)),
    **dict.fromkeys(TABLES, ("table",)),
    "mixup": ("image", "table"),
    "cutmix": ("image",),
}
"""Kinds of data each transform is for."""

OF_COLOURS = ("hue", "saturation")
"""Transforms that change nothing in grey images."""

AugmentConfig = Annotated[
    Flip
    | Shift
    | Rotate
    | Zoom
    | Shear
    | CropAndResize
    | Elastic
    | Contrast
    | Brightness
    | Noise
    | Cutout
    | Hue
    | Saturation
    | Solarize
    | Posterize
    | Blur
    | Jpeg
    | RandAugment
    | TrivialAugment
    | AugMix
    | WordDropout
    | WordSwap
    | SpanMask
    | FeatureNoise
    | SwapNoise
    | Mixup
    | CutMix,
    Field(discriminator="type"),
]
AugmentSection = Annotated[tuple[AugmentConfig, ...], Field(strict=False)]

__all__ = [
    "IMAGES",
    "KINDS",
    "MIXING",
    "OF_COLOURS",
    "TABLES",
    "TEXTS",
    "AugMix",
    "AugmentConfig",
    "AugmentSection",
    "Blur",
    "Brightness",
    "Contrast",
    "CropAndResize",
    "CutMix",
    "Cutout",
    "Elastic",
    "FeatureNoise",
    "Flip",
    "Geometric",
    "Hue",
    "Jpeg",
    "Mixup",
    "Noise",
    "Posterize",
    "RandAugment",
    "Rotate",
    "Saturation",
    "Shear",
    "Shift",
    "Solarize",
    "SpanMask",
    "SwapNoise",
    "TrivialAugment",
    "WordDropout",
    "WordSwap",
    "Zoom",
]
