import keras
import numpy as np
import pytest

from models import build
from models.blocks import Blocks
from models.errors import ModelError
from models.features import table_features
from models.knobs import Knobs
from models.spec import OutputSpec
from tests.models.test_contract import CASES, IMAGE, TABLE, TEXT, config, network, normalize


def test_each_category_becomes_its_own_column() -> None:
    tensors = normalize(TABLE).input
    model = keras.Model(tensors, table_features(tensors, TABLE, Blocks(Knobs(), 1)))
    rows = {"numbers": np.array([[1, 2, 3]], "float32"), "categories": np.array([[3, 0]], "int32")}
    assert model(rows).numpy().tolist() == [[1, 2, 3, 0, 0, 0, 1, 1, 0, 0]]


def test_cnn_has_its_blocks_in_order() -> None:
    model = network({"type": "cnn", "filters": [4, 5], "convolutions": 2, "dropout": 0.1, "units": 6}, IMAGE)
    assert [layer.name for layer in model.layers if "activation" not in layer.name][2:] == [
        *("block_1_conv_1", "block_1_conv_2", "block_1_pooling", "block_1_dropout"),
        *("block_2_conv_1", "block_2_conv_2", "block_2_pooling", "block_2_dropout"),
        *("flatten", "dense", "dropout", "output"),
    ]
    assert model.get_layer("block_2_pooling").output.shape == (None, 2, 1, 5)


def test_cnn_refuses_images_that_pooling_would_use_up() -> None:
    with pytest.raises(ModelError, match=r"model.filters: 3 blocks .* at least 8×8 pixels. Received: 8×6"):
        network({"type": "cnn", "filters": [4, 4, 4]}, IMAGE)


@pytest.mark.parametrize(("family", "inputs"), [("cnn", TABLE), ("cnn", TEXT), ("text", TABLE), ("text", IMAGE)])
def test_a_family_for_one_kind_refuses_others(family: str, inputs) -> None:
    with pytest.raises(ModelError, match=f"model.type: {family} takes .* this recipe's data is {inputs.kind}"):
        network({"type": family}, inputs)


def test_layers_take_the_arguments_given() -> None:
    layers = [
        {"type": "Flatten", "name": "flat"},
        {
            "type": "Dense",
            "units": 4,
            "kernel_initializer": {"type": "constant", "value": 2.0},
            "kernel_constraint": "non_neg",
        },
        {"type": "Dense", "units": 2, "kernel_regularizer": {"type": "l1", "l1": 0.5}},
    ]
    model = network({"type": "layers", "layers": layers}, IMAGE)
    assert [layer.name for layer in model.layers][2:] == ["flat", "layer_1_dense", "layer_2_dense", "output"]
    np.testing.assert_array_equal(model.get_layer("layer_1_dense").kernel, 2)
    assert isinstance(model.get_layer("layer_1_dense").kernel_constraint, keras.constraints.NonNeg)
    penalty = 0.5 * np.abs(model.get_layer("layer_2_dense").kernel.numpy()).sum()
    assert float(sum(model.losses)) == pytest.approx(penalty, rel=1e-5)


def test_both_directions_of_a_recurrent_layer_start_differently() -> None:
    section = CASES["layers-recurrent"][0]
    first = {w.path: w.numpy() for w in network(section, TEXT).trainable_weights}
    forward, backward = [
        [v for k, v in first.items() if f"/{d}_" in k and "kernel" in k] for d in ("forward", "backward")
    ]
    assert len(forward) == len(backward) == 2
    assert all((a != b).all() for a, b in zip(forward, backward, strict=True))


def test_the_last_layer_can_be_the_output() -> None:
    layers = [{"type": "Flatten"}, {"type": "Dense", "units": 3, "activation": "softmax"}]
    model = network({"type": "layers", "layers": layers, "add_output": False}, IMAGE, policy="mixed_float16")
    assert [layer.name for layer in model.layers][2:] == ["layer_0_flatten", "output"]
    assert model.output.dtype == "float32"


def test_an_own_output_of_another_size_is_refused() -> None:
    section = {"type": "layers", "layers": [{"type": "Flatten"}, {"type": "Dense", "units": 4}], "add_output": False}
    with pytest.raises(ModelError, match=r"model.layers.1: expected the last layer to give 3 values"):
        network(section, IMAGE)
    with pytest.raises(ModelError, match=r"model\.output_activation: has no effect"):
        network({**section, "output_activation": "softmax"}, IMAGE)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ({"type": "Dense", "unit": 3}, r"model.layers.1: Keras refuses Dense: .*unit"),
        ({"type": "Dense", "units": -3}, r"model.layers.1: Keras refuses Dense: .*positive integer.*-3"),
        ({"type": "Conv2D", "filters": 3, "kernel_size": 3}, r"model.layers.1: Keras refuses Conv2D: .*ndim"),
        ({"type": "Denze"}, r"model.layers.1: Keras refuses Denze: it is no layer of Keras"),
        (
            {"type": "Lambda", "function": "x"},
            r"model.layers.1: Keras refuses Lambda: it is no layer of Keras that can be",
        ),
        ({"type": "Dense", "units": 3, "kernel_regularizer": {"type": "l9"}}, r"Keras refuses Dense: .*regularizer"),
    ],
)
def test_a_layer_that_keras_refuses_is_named_by_its_place(layer: dict, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        network({"type": "layers", "layers": [{"type": "Flatten"}, layer]}, IMAGE)


def test_the_global_state_of_keras_does_not_matter() -> None:
    section = config(type="mlp", units=(4,), dropout=0.5)
    first = build(section, normalize(TABLE), TABLE, OutputSpec("multiclass", 3), seed=1)
    keras.utils.set_random_seed(99)
    keras.config.set_dtype_policy("mixed_float16")
    try:
        second = build(section, normalize(TABLE), TABLE, OutputSpec("multiclass", 3), seed=1)
    finally:
        keras.config.set_dtype_policy("float32")
    assert [w.dtype for w in first.weights] == [w.dtype for w in second.weights]
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
