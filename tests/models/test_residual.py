"""Families of residual blocks."""

import keras
import numpy as np
import pytest

from models.blocks import Blocks
from models.depth import drop_rates
from models.errors import ModelError
from models.knobs import Knobs
from models.registered import LayerScale
from tests.models.test_contract import IMAGE, TABLE, TEXT, batch, network

ZERO_GAMMA = [
    ({"type": "resnet", "filters": [4], "blocks": 2}, IMAGE),
    ({"type": "tabular", "backbone": "resnet"}, TABLE),
    ({"type": "text", "encoder": "transformer", "embedding_dim": 8}, TEXT),
]


def test_the_rate_of_stochastic_depth_grows_with_depth() -> None:
    assert list(drop_rates(0.4, 4)) == pytest.approx([0.1, 0.2, 0.3, 0.4])


def test_a_dropped_branch_is_left_out_example_by_example_and_others_are_scaled() -> None:
    x, branch = keras.Input((3, 3, 2)), keras.Input((3, 3, 2))
    model = keras.Model([x, branch], Blocks(Knobs(), 1).residual(x, branch, "block", drop_rate=0.25))
    inputs = [np.full((2000, 3, 3, 2), 5, "float32"), np.full((2000, 3, 3, 2), 3, "float32")]
    np.testing.assert_array_equal(model(inputs), 8)
    added = model(inputs, training=True).numpy().reshape(2000, -1) - 5
    assert (added == added[:, :1]).all()
    assert np.unique(added.round(4)).tolist() == [0, 4]
    assert added.mean() == pytest.approx(3, abs=0.15)


@pytest.mark.parametrize(
    ("section", "inputs", "rates"),
    [
        ({"type": "resnet", "filters": [4, 4], "blocks": 2}, IMAGE, [0.1, 0.2, 0.3, 0.4]),
        ({"type": "convnext", "filters": [4, 4], "blocks": 1}, IMAGE, [0.2, 0.4]),
        ({"type": "tabular", "backbone": "resnet", "blocks": 2}, TABLE, [0.2, 0.4]),
        ({"type": "text", "encoder": "transformer", "blocks": 2}, TEXT, [0.2, 0.2, 0.4, 0.4]),
    ],
)
def test_each_block_has_its_rate_and_seed(section, inputs, rates) -> None:
    model = network({**section, "stochastic_depth": 0.4}, inputs)
    layers = [layer for layer in model.layers if layer.name.endswith("stochastic_depth")]
    assert [layer.rate for layer in layers] == pytest.approx(rates)
    assert len({layer.seed for layer in layers}) == len(rates)
    assert not [layer for layer in network(section, inputs).layers if layer.name.endswith("stochastic_depth")]


@pytest.mark.parametrize(("section", "inputs"), ZERO_GAMMA)
def test_with_zero_gamma_every_block_starts_as_identity(section, inputs) -> None:
    model = network({**section, "zero_gamma": True}, inputs)
    added = [layer for layer in model.layers if isinstance(layer, keras.layers.Add)]
    inside = keras.Model(model.input, [tensor for layer in added for tensor in (layer.input[0], layer.output)])
    values = inside(batch(inputs))
    assert len(values) >= 4
    for before, after in zip(values[::2], values[1::2], strict=True):
        np.testing.assert_array_equal(before, after)
    assert (network(section, inputs)(batch(inputs)).numpy() != model(batch(inputs)).numpy()).any()


@pytest.mark.parametrize(("section", "inputs"), ZERO_GAMMA)
def test_blocks_that_start_as_identity_learn(section, inputs) -> None:
    model = network({**section, "zero_gamma": True}, inputs)
    before = {w.path: w.numpy() for w in model.trainable_weights}
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    model.fit(batch(inputs), np.arange(6) % 3, epochs=3, shuffle=False, verbose=0)
    assert all((w.numpy() != before[w.path]).any() for w in model.trainable_weights)


def test_resnet_halves_the_image_at_each_stage_but_the_first() -> None:
    model = network({"type": "resnet", "filters": [4, 6, 8], "blocks": 2}, IMAGE)
    shapes = [model.get_layer(f"stage_{i}_block_{j}_add").output.shape[1:] for i in (1, 2, 3) for j in (1, 2)]
    assert shapes == [(8, 6, 4), (8, 6, 4), (4, 3, 6), (4, 3, 6), (2, 2, 8), (2, 2, 8)]
    assert [layer.name for layer in model.layers if "shortcut" in layer.name] == [
        "stage_2_block_1_shortcut",
        "stage_3_block_1_shortcut",
    ]


def test_resnet_blocks_are_of_pre_activation() -> None:
    model = network({"type": "resnet", "filters": [4], "blocks": 1, "dropout": 0.1}, IMAGE)
    assert [layer.name.removeprefix("stage_1_block_1_") for layer in model.layers][2:] == [
        *("stem", "1_batch_norm", "1_activation", "conv_1", "2_batch_norm", "2_activation", "dropout", "conv_2", "add"),
        *("last_batch_norm", "last_activation", "mean_over_pixels", "output"),
    ]


def test_convnext_has_its_blocks_in_order() -> None:
    model = network({"type": "convnext", "filters": [4, 6], "blocks": 1, "kernel_size": 5}, IMAGE)
    block = ("depthwise", "layer_norm", "dense_1", "activation", "dense_2", "scale", "add")
    assert [layer.name for layer in model.layers][2:] == [
        *("patches", "patches_layer_norm", *(f"stage_1_block_1_{name}" for name in block)),
        *("halving_2_layer_norm", "halving_2", *(f"stage_2_block_1_{name}" for name in block)),
        *("mean_over_pixels", "last_layer_norm", "output"),
    ]
    assert model.get_layer("stage_2_block_1_depthwise").output.shape[1:] == (2, 2, 6)
    assert model.get_layer("stage_2_block_1_depthwise").kernel_size == (5, 5)
    assert model.get_layer("stage_2_block_1_dense_1").units == 24
    assert model.get_layer("stage_1_block_1_activation").activation is keras.activations.gelu


def test_layer_scale_multiplies_each_channel() -> None:
    layer = LayerScale(0.5)
    np.testing.assert_array_equal(layer(np.full((2, 3), 4, "float32")), 2)
    layer.scale.assign([1, 2, 3])
    np.testing.assert_array_equal(layer(np.ones((1, 3), "float32")), [[1, 2, 3]])


def test_layer_scale_starts_as_the_recipe_says() -> None:
    section = {"type": "convnext", "filters": [4], "blocks": 1}
    layer = network({**section, "layer_scale": 0.25}, IMAGE).get_layer("stage_1_block_1_scale")
    np.testing.assert_array_equal(layer.scale, 0.25)
    without = network({**section, "layer_scale": None}, IMAGE)
    assert not [layer for layer in without.layers if isinstance(layer, LayerScale)]


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"type": "resnet", "filters": [4] * 4}, r"model.filters: 4 stages need images of at least 8×8 .* 8×6"),
        ({"type": "convnext", "filters": [4] * 3}, r"3 stages with model.patch_size 2 need .* 8×8 .*patch_size: 1"),
    ],
)
def test_images_too_small_for_the_stages_are_refused(section, message) -> None:
    with pytest.raises(ModelError, match=message):
        network(section, IMAGE)
