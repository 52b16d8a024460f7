"""The Keras layers of `prepare.keras`: import this module before loading a model that holds them."""

from typing import Any, TypeVar

import keras
import tensorflow as tf
from keras import ops

UNKNOWN = "\ufffe"
"""A text that no table holds: Unicode reserves it as no character."""

Registered = TypeVar("Registered")

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey (ITU-R BT.601, as in JPEG)."""


def register(thing: Registered) -> Registered:
    """Lets Keras find a layer or a function of ours by its name in a saved model."""
    registered: Registered = keras.saving.register_keras_serializable(package="plumbline")(thing)
    return registered


@register
class DecodeImage(keras.layers.Layer):  # type: ignore[misc]
    """Encoded images (png, jpeg, gif, bmp) to pixels of one size.

    Colour becomes grey by its luma and grey becomes colour by repetition; an alpha channel is dropped. Resizing is in
    float32, antialiased, and rounded once. Of an animation the first frame is taken.

    Input: string `(batch,)`. Output: uint8 `(batch, height, width, channels)`.

    Args:
        height: Pixels from top to bottom.
        width: Pixels from left to right.
        channels: 1 for grey, 3 for colour.
        method: bilinear, nearest, bicubic or area.
    """

    def __init__(self, height: int, width: int, channels: int, method: str = "bilinear", **kwargs: Any):
        super().__init__(dtype="uint8", **{k: v for k, v in kwargs.items() if k != "dtype"})
        self.height, self.width, self.channels, self.method = height, width, channels, method
        self.supports_jit = False

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """Decodes a batch, example by example."""
        pixels = tf.TensorSpec((self.height, self.width, self.channels), tf.uint8)
        return tf.map_fn(self._decode, images, fn_output_signature=pixels)

    def _decode(self, encoded: tf.Tensor) -> tf.Tensor:
        image = tf.io.decode_image(encoded, expand_animations=False)
        image = self._recolour(tf.cast(tf.ensure_shape(image, (None, None, None)), tf.float32))
        size = (self.height, self.width)
        image = tf.cond(
            tf.reduce_all(tf.shape(image)[:2] == size),
            lambda: image,
            lambda: tf.image.resize(image, size, self.method, antialias=True),
        )
        image = tf.cast(tf.clip_by_value(tf.round(image), 0, 255), tf.uint8)
        return tf.ensure_shape(image, (*size, self.channels))

    def _recolour(self, image: tf.Tensor) -> tf.Tensor:
        is_grey = tf.shape(image)[-1] < 3
        if self.channels == 1:
            return tf.cond(
                is_grey,
                lambda: image[..., :1],
                lambda: tf.reduce_sum(image[..., :3] * LUMA, axis=-1, keepdims=True),
            )
        return tf.cond(is_grey, lambda: tf.repeat(image[..., :1], 3, axis=-1), lambda: image[..., :3])

    def compute_output_spec(self, images: keras.KerasTensor) -> keras.KerasTensor:
        """Shape and dtype of what `call` returns."""
        return keras.KerasTensor((*images.shape, self.height, self.width, self.channels), dtype="uint8")

    def get_config(self) -> dict[str, Any]:
        """What rebuilds the layer."""
        own = {"height": self.height, "width": self.width, "channels": self.channels, "method": self.method}
        return {**super().get_config(), **own}


@register
class ImputeNumbers(keras.layers.Layer):  # type: ignore[misc]
    """Replaces missing numbers and says where they were missing.

    Input: float32 `(batch, n)`, NaN where missing. Output: float32 `(batch, n + len(indicators))`, no NaN: the numbers,
    then 1 for a missing value and 0 for a present one in each column of `indicators`.

    Args:
        values: What replaces a missing number, a column each.
        indicators: Columns that get an indicator.
    """

    def __init__(self, values: list[float], indicators: list[int], **kwargs: Any):
        super().__init__(**kwargs)
        self.values, self.indicators = values, indicators

    def call(self, numbers: tf.Tensor) -> tf.Tensor:
        """Fills a batch in."""
        missing = ops.isnan(numbers)
        filled = ops.where(missing, ops.convert_to_tensor(self.values, numbers.dtype), numbers)
        if not self.indicators:
            return filled
        return ops.concatenate([filled, ops.cast(ops.take(missing, self.indicators, axis=1), numbers.dtype)], axis=1)

    def get_config(self) -> dict[str, Any]:
        """What rebuilds the layer."""
        return {**super().get_config(), "values": self.values, "indicators": self.indicators}


@register
class CategoryIndex(keras.layers.Layer):  # type: ignore[misc]
    """Categories to indices, by one vocabulary a column.

    Input: string `(batch, m)`, "" where missing. Output: int32 `(batch, m)`: 0 for missing, 1 for a category that the
    vocabulary lacks, then the vocabulary in its order.

    Args:
        vocabularies: Known categories of each column.
    """

    NUM_SPECIAL = 2
    """Indices before those of the vocabulary: missing and unknown."""

    def __init__(self, vocabularies: list[list[str]], **kwargs: Any):
        super().__init__(dtype="int32", **{k: v for k, v in kwargs.items() if k != "dtype"})
        self.vocabularies = vocabularies
        # Keras takes no empty vocabulary, and its token for unknown words must not be a word: no category is UNKNOWN.
        self.lookups = [
            keras.layers.StringLookup(vocabulary=words or [2 * UNKNOWN], mask_token="", oov_token=UNKNOWN)
            for words in vocabularies
        ]
        self.supports_jit = False

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Builds the lookup of each column."""
        for lookup in self.lookups:
            lookup.build(input_shape[:1])

    def call(self, categories: tf.Tensor) -> tf.Tensor:
        """Looks a batch up, column by column."""
        columns = [lookup(categories[:, i]) for i, lookup in enumerate(self.lookups)]
        return tf.cast(tf.stack(columns, axis=1), tf.int32)

    def compute_output_spec(self, categories: keras.KerasTensor) -> keras.KerasTensor:
        """Shape and dtype of what `call` returns."""
        return keras.KerasTensor(categories.shape, dtype="int32")

    def get_config(self) -> dict[str, Any]:
        """What rebuilds the layer."""
        return {**super().get_config(), "vocabularies": self.vocabularies}


@register
class TokenIds(keras.layers.Layer):  # type: ignore[misc]
    """Token indices as int32, with at least one token a text.

    A text without any token reads as one unknown token (index 1), so that the mean over its tokens exists.

    Input: int64 `(batch, length)`, 0 for padding on the right. Output: int32 of the same shape.
    """

    def call(self, tokens: tf.Tensor) -> tf.Tensor:
        """Converts a batch."""
        tokens = ops.cast(tokens, "int32")
        return ops.concatenate([ops.maximum(tokens[:, :1], 1), tokens[:, 1:]], axis=1)


@register
def lower(texts: tf.Tensor) -> tf.Tensor:
    """Lower case, in every alphabet (Keras's own `lower` knows ASCII alone)."""
    return tf.strings.lower(texts, encoding="utf-8")


@register
def strip_punctuation(texts: tf.Tensor) -> tf.Tensor:
    """Drops Unicode's punctuation and ASCII's symbols; emoji stay."""
    return tf.strings.regex_replace(texts, r"[\p{P}$+<=>^`|~]", "")


@register
def lower_and_strip_punctuation(texts: tf.Tensor) -> tf.Tensor:
    """`lower`, then `strip_punctuation`."""
    return strip_punctuation(lower(texts))


@register
def split_words(texts: tf.Tensor) -> tf.RaggedTensor:
    """Words between white space, Unicode's included: string `(batch,)` to ragged `(batch, words)`."""
    return tf.strings.split(tf.strings.regex_replace(texts, r"\p{Z}", " "))
