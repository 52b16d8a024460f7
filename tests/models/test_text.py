"""Encoders of texts."""

import numpy as np
import pytest

from models.errors import ModelError
from models.registered import MeanOverTokens, PositionEmbedding, SelfAttention
from models.spec import InputSpec
from tests.models.test_contract import TEXT, network

LONGER = InputSpec("text", {"tokens": (12,)}, vocabulary_size=20)
TRANSFORMER = {"type": "text", "encoder": "transformer", "embedding_dim": 8}


@pytest.mark.parametrize(
    "section",
    [
        {"type": "text", "encoder": "pooling"},
        {"type": "text", "encoder": "bilstm", "recurrent_units": [5, 4]},
        {"type": "text", "encoder": "bigru", "recurrent_units": [5]},
        TRANSFORMER,
    ],
)
def test_padding_is_left_out(section) -> None:
    short, longer = network(section, TEXT), network(section, LONGER)
    for a, b in zip(longer.weights, short.weights, strict=True):
        value = b.numpy()
        a.assign(np.concatenate([value, np.ones((5, value.shape[1]))]) if a.shape != b.shape else value)
    tokens = np.array([[5, 6, 7, 0, 0, 0, 0], [3, 4, 5, 6, 7, 8, 9]], "int32")
    padded = np.pad(tokens, ((0, 0), (0, 5)))
    np.testing.assert_allclose(short({"tokens": tokens}), longer({"tokens": padded}), rtol=1e-5)


@pytest.mark.parametrize("encoder", ["conv1d", "bilstm", "bigru", "transformer"])
def test_the_order_of_tokens_counts(encoder) -> None:
    model = network({"type": "text", "encoder": encoder}, TEXT)
    one, other = (
        model({"tokens": np.array([t], "int32")}).numpy() for t in ([5, 6, 7, 8, 9, 3, 2], [6, 5, 7, 8, 9, 3, 2])
    )
    assert (one != other).any()


@pytest.mark.parametrize("encoder", ["bilstm", "bigru"])
def test_both_directions_start_differently_and_see_the_whole_text(encoder) -> None:
    model = network({"type": "text", "encoder": encoder, "recurrent_units": [5], "units": 0}, TEXT)
    kernels = [w.numpy() for w in model.trainable_weights if w.path.endswith("recurrent_kernel")]
    assert (kernels[0] != kernels[1]).all()
    assert model.get_layer("recurrent").output.shape == (None, 10)
    states = [
        model.get_layer("recurrent")(np.array([tokens], "int32")).numpy()
        for tokens in ([5, 6, 7, 8, 9, 3, 2], [4, 6, 7, 8, 9, 3, 2], [5, 6, 7, 8, 9, 3, 4])
    ]
    assert (states[0] != states[1]).all()
    assert (states[0] != states[2]).all()


def test_attention_is_the_softmax_of_products_over_real_tokens() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(1, 4, 18)).astype("float32")
    tokens = np.array([[3, 4, 5, 0]], "int32")
    query, key, value = (part.reshape(4, 2, 3) for part in np.split(inputs[0], 3, axis=1))
    expected = np.zeros((4, 2, 3))
    for head in range(2):
        scores = query[:, head] @ key[:3, head].T / np.sqrt(3)
        weights = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        expected[:, head] = weights @ value[:3, head]
    np.testing.assert_allclose(SelfAttention(2)(inputs, tokens)[0], expected.reshape(4, 6), rtol=1e-4, atol=1e-5)


def test_positions_are_added() -> None:
    layer = PositionEmbedding()
    x = np.zeros((2, 3, 4), "float32")
    np.testing.assert_array_equal(layer(x), np.broadcast_to(layer.embeddings.numpy(), (2, 3, 4)))


def test_the_mean_is_over_real_tokens_and_zero_without_any() -> None:
    x = np.array([[[1.0], [3], [9]], [[4], [4], [4]]], "float32")
    assert MeanOverTokens()(x, np.array([[7, 8, 0], [0, 0, 0]])).numpy().tolist() == [[2], [0]]


def test_depth_and_width_of_a_transformer_are_the_recipes() -> None:
    model = network({**TRANSFORMER, "blocks": 3, "expansion": 2, "num_heads": 2}, TEXT)
    assert [layer.num_heads for layer in model.layers if isinstance(layer, SelfAttention)] == [2, 2, 2]
    assert model.get_layer("block_3_dense_1").units == 16


def test_heads_must_share_the_width_evenly() -> None:
    with pytest.raises(ModelError, match=r"model.num_heads: expected a divisor of model.embedding_dim \(8\)"):
        network({**TRANSFORMER, "num_heads": 3}, TEXT)
