"""Images: the size and the channels that most of the training split has; pixel statistics."""

import io
from collections import Counter
from typing import Any

import keras
from PIL import Image

from pipeline.preprocess.fitted import Fitted, statistics
from pipeline.preprocess.split import Split
from pipeline.recipe.preprocess import PreprocessConfig
from pipeline.serving.layers import DecodeImage
from pipeline.serving.raw import Array
from pipeline.serving.signature import Signature

GREY_MODES = ("1", "L", "LA", "I", "I;16", "F")
"""Pillow's modes without colour."""


def fit(section: PreprocessConfig, signature: Signature, train: Split) -> Fitted:
    """Chooses size and channels, reading no more than the images' headers.

    Args:
        section: Resolved for images.
        signature: Of the collected data.
        train: Training split.
    """
    sizes, modes = _headers(train)
    # Of sizes that are equally common the larger one is taken.
    height, width = section.size or max(sizes, key=lambda size: (sizes[size], size))
    channels = section.channels or (1 if all(mode in GREY_MODES for mode in modes) else 3)
    image = keras.Input((), dtype="string", name="image")
    decode = DecodeImage(height, width, channels, section.resize or "bilinear", name="decode")
    prepare = keras.Model({"image": image}, {"image": decode(image)}, name="prepare")
    resized = sizes.total() - sizes[height, width]
    facts = {
        "height": height,
        "width": width,
        "channels": channels,
        "resize": section.resize,
        "training_images": sizes.total(),
        "training_images_resized": resized,
        "most_common_sizes": [{"height": h, "width": w, "images": n} for (h, w), n in sizes.most_common(10)],
    }
    notes = (f"{resized} of {sizes.total()} training images are resized to {height}×{width}",) if resized else ()
    return Fitted(prepare, facts, notes)


def normalizer(section: PreprocessConfig, signature: Signature, train: dict[str, Array]) -> tuple[keras.Model, Any]:
    """Builds pixels -> network inputs: float32 `(batch, height, width, channels)`, given uint8 or float32 in [0, 255].

    Args:
        section: Resolved for images.
        signature: With the shape of the images.
        train: Prepared training images, uint8.

    Returns:
        The model, and what was fitted.
    """
    image = keras.Input(dict(signature.shapes)["image"], dtype="float32", name="image")
    fitted = {}
    layer: keras.Layer
    if section.normalize == "standard":
        found = statistics(train["image"])
        fitted = {"mean": found.mean.tolist(), "variance": found.variance.tolist()}
        # A channel of one value stays what it is, less its mean.
        variance = [value or 1.0 for value in fitted["variance"]]
        layer = keras.layers.Normalization(mean=fitted["mean"], variance=variance, name="standard", dtype="float32")
    elif section.normalize == "per_image":
        # The epsilon, in squared grey levels, keeps a blank image from being divided by nothing.
        layer = keras.layers.LayerNormalization(
            axis=(1, 2, 3), center=False, scale=False, epsilon=1e-2, name="per_image", dtype="float32"
        )
    elif section.normalize == "unit":
        layer = keras.layers.Rescaling(1 / 255, name="unit", dtype="float32")
    else:
        layer = keras.layers.Identity(name="none", dtype="float32")
    return keras.Model({"image": image}, {"image": layer(image)}, name="normalize"), fitted


def _headers(train: Split) -> tuple[Counter[tuple[int, int]], Counter[str]]:
    sizes: Counter[tuple[int, int]] = Counter()
    modes: Counter[str] = Counter()
    for batch in train.batches("image"):
        for encoded in batch.column("image"):
            with Image.open(io.BytesIO(encoded.as_buffer())) as image:
                sizes[image.height, image.width] += 1
                modes[image.mode] += 1
    return sizes, modes
