"""Images: decoded to the size and the channels that the training split asks for."""

import io
from collections import Counter

import keras
from PIL import Image

from pipeline.preprocess.fitted import Fitted
from pipeline.preprocess.split import Split
from pipeline.recipe.preprocess import PreprocessConfig
from pipeline.serving.layers import DecodeImage
from pipeline.serving.raw import raw_tensors
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
    sizes, modes = _headers(signature, train)
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


def _headers(signature: Signature, train: Split) -> tuple[Counter[tuple[int, int]], Counter[str]]:
    sizes: Counter[tuple[int, int]] = Counter()
    modes: Counter[str] = Counter()
    for batch in train.batches("image"):
        for encoded in raw_tensors(batch, signature)["image"]:
            with Image.open(io.BytesIO(encoded)) as image:
                sizes[image.height, image.width] += 1
                modes[image.mode] += 1
    return sizes, modes
