"""Costs counted from the graph equal those counted by hand."""

from typing import Any

import keras
import pytest

from pipeline.compute.cost import cost

FLOAT_BYTES = 4


def compiled(name: str, shape: tuple[int, ...], *layers: keras.Layer, dtype: str = "float32") -> keras.Model:
    """A network of layers in a row, on one named tensor."""
    tensor = keras.Input(shape, dtype=dtype, name=name)
    features: Any = tensor
    for layer in layers:
        features = layer(features)
    network = keras.Model({name: tensor}, features)
    network.compile("adam", "mse")
    return network


def test_parameters_gradients_and_moments_of_adam() -> None:
    network = compiled("numbers", (10,), keras.layers.Dense(20), keras.layers.BatchNormalization())
    counted = cost(network)
    assert counted.num_parameters == 10 * 20 + 20 + 4 * 20
    assert counted.num_trainable == 10 * 20 + 20 + 2 * 20
    assert counted.parameter_bytes == FLOAT_BYTES * counted.num_parameters
    assert counted.gradient_bytes == FLOAT_BYTES * counted.num_trainable
    moments = 2 * FLOAT_BYTES * counted.num_trainable
    assert moments < counted.optimizer_bytes <= moments + 16


def test_a_dense_network_keeps_what_its_matrix_products_relus_and_loss_need() -> None:
    network = compiled("numbers", (10,), keras.layers.Dense(20, activation="relu"), keras.layers.Dense(3))
    counted = cost(network)
    assert counted.flops == 2 * (10 * 20 + 20 * 3)
    assert counted.activation_bytes == FLOAT_BYTES * (10 + 20 + 3)
    held = counted.parameter_bytes + counted.gradient_bytes + counted.optimizer_bytes
    assert counted.memory_bytes(7) == held + 7 * FLOAT_BYTES * 33


def test_convolutions_plain_grouped_and_depthwise() -> None:
    layers = keras.layers
    network = compiled(
        "image",
        (8, 8, 4),
        layers.Conv2D(6, 3),
        layers.Conv2D(8, 3, padding="same", groups=2),
        layers.SeparableConv2D(5, 3, strides=2),
    )
    plain, grouped = 36 * 6 * 9 * 4, 36 * 8 * 9 * 3
    depthwise, pointwise = 4 * 8 * 9, 4 * 5 * 8
    assert cost(network).flops == 2 * (plain + grouped + depthwise + pointwise)


def test_attention_counts_projections_scores_and_values() -> None:
    tensor = keras.Input((12, 8), name="numbers")
    network = keras.Model({"numbers": tensor}, keras.layers.MultiHeadAttention(2, 4)(tensor, tensor))
    network.compile("sgd", "mse")
    assert cost(network).flops == 2 * (4 * 12 * 8 * 8 + 2 * 12 * 12 * 8)


def test_a_recurrent_layer_counts_every_step_of_the_sequence() -> None:
    network = compiled(
        "tokens", (12,), keras.layers.Embedding(50, 8), keras.layers.LSTM(5), keras.layers.Dense(3), dtype="int32"
    )
    counted = cost(network)
    gates = 4 * 5
    assert counted.flops == 2 * (12 * (8 * gates + 5 * gates) + 5 * 3)
    # Each step keeps its input, its state, the cell and four gates at least.
    assert counted.activation_bytes >= FLOAT_BYTES * 12 * (8 + 5 + 5 + gates)


def test_half_precision_halves_what_is_kept() -> None:
    kept = []
    for policy in ("float32", "mixed_bfloat16"):
        dense = [keras.layers.Dense(64, activation="tanh", dtype=policy) for _ in range(2)]
        kept.append(cost(compiled("numbers", (64,), *dense)).activation_bytes)
    assert kept[1] == pytest.approx(kept[0] / 2, rel=0.35)


def test_frozen_layers_have_parameters_but_neither_gradients_nor_moments() -> None:
    frozen = keras.layers.Dense(20, trainable=False)
    counted = cost(compiled("numbers", (10,), frozen, keras.layers.Dense(3)))
    assert counted.num_parameters - counted.num_trainable == 10 * 20 + 20
    assert counted.gradient_bytes == FLOAT_BYTES * (20 * 3 + 3)
    assert counted.activation_bytes == FLOAT_BYTES * (20 + 3)
