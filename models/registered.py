"""Layers that Keras lacks, registered so that a saved network finds them where this module is imported."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("plumbline")
class LayerScale(keras.layers.Layer):  # type: ignore[misc]
    """Multiplies each channel by a learned number (Touvron et al. 2021, https://arxiv.org/abs/2103.17239).

    Args:
        initial: What all of them start at.
    """

    def __init__(self, initial: float, **kwargs: Any):
        super().__init__(**kwargs)
        self.initial = initial

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes one scale a channel."""
        start = keras.initializers.Constant(self.initial)
        self.scale = self.add_weight(shape=(input_shape[-1],), initializer=start, name="scale")

    def call(self, inputs: Any) -> Any:
        """`(..., channels)` to the same shape."""
        return inputs * self.scale

    def get_config(self) -> dict[str, Any]:
        """Arguments of the layer."""
        return {**super().get_config(), "initial": self.initial}


@keras.saving.register_keras_serializable("plumbline")
class PositionEmbedding(keras.layers.Layer):  # type: ignore[misc]
    """Adds a learned embedding of its position to each token's (Gehring et al. 2017).

    Args:
        embeddings_initializer: Of the positions' embeddings.
    """

    def __init__(self, embeddings_initializer: Any = "uniform", **kwargs: Any):
        super().__init__(**kwargs)
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes one embedding a position."""
        self.embeddings = self.add_weight(
            shape=input_shape[1:], initializer=self.embeddings_initializer, name="embeddings"
        )

    def call(self, inputs: Any) -> Any:
        """`(batch, length, dim)` to the same shape."""
        return inputs + self.embeddings

    def get_config(self) -> dict[str, Any]:
        """Arguments of the layer."""
        initializer = keras.initializers.serialize(self.embeddings_initializer)
        return {**super().get_config(), "embeddings_initializer": initializer}


@keras.saving.register_keras_serializable("plumbline")
class SelfAttention(keras.layers.Layer):  # type: ignore[misc]
    """Lets each token look at the others, padding left out (Vaswani et al. 2017, https://arxiv.org/abs/1706.03762).

    It holds no weights: queries, keys and values come in, so that their kernel is a dense layer's like any other.
    Keras's MultiHeadAttention gives one initialiser to all its kernels, which then start alike where it is seeded.

    Args:
        num_heads: Heads, which share the width evenly.
    """

    def __init__(self, num_heads: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.num_heads = num_heads

    def call(self, inputs: Any, tokens: Any) -> Any:
        """Attends.

        Args:
            inputs: Queries, keys and values side by side, `(batch, length, 3 * width)`.
            tokens: Token indices, int32 `(batch, length)`; 0 is padding.

        Returns:
            `(batch, length, width)`.
        """
        length, width = inputs.shape[1], inputs.shape[2] // 3
        split = ops.reshape(inputs, (-1, length, 3, self.num_heads, width // self.num_heads))
        mask = ops.not_equal(tokens, 0)[:, None, None, :]
        attended = ops.dot_product_attention(split[:, :, 0], split[:, :, 1], split[:, :, 2], mask=mask)
        return ops.reshape(attended, (-1, length, width))

    def compute_output_shape(self, inputs_shape: tuple[int | None, ...], tokens_shape: Any) -> tuple[int | None, ...]:  # noqa: ARG002
        """A third of the width."""
        return (*inputs_shape[:-1], inputs_shape[-1] // 3)  # type: ignore[operator]

    def get_config(self) -> dict[str, Any]:
        """Arguments of the layer."""
        return {**super().get_config(), "num_heads": self.num_heads}


@keras.saving.register_keras_serializable("plumbline")
class MeanOverTokens(keras.layers.Layer):  # type: ignore[misc]
    """Mean of a sequence, padding left out."""

    def call(self, inputs: Any, tokens: Any) -> Any:
        """Averages.

        Args:
            inputs: `(batch, length, width)`.
            tokens: Token indices, int32 `(batch, length)`; 0 is padding.

        Returns:
            `(batch, width)`; zeros for a text that is all padding.
        """
        real = ops.cast(ops.not_equal(tokens, 0), inputs.dtype)[..., None]
        return ops.sum(inputs * real, axis=1) / ops.maximum(ops.sum(real, axis=1), 1)

    def compute_output_shape(self, inputs_shape: tuple[int | None, ...], tokens_shape: Any) -> tuple[int | None, ...]:  # noqa: ARG002
        """Without the length."""
        return (inputs_shape[0], inputs_shape[2])
