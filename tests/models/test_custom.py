"""Networks built by a function of the user."""

import random
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from models.errors import ModelError
from models.spec import InputSpec
from tests.models.test_contract import IMAGE, TABLE, TEXT, batch, network

NETS = """
import keras
from keras import ops

from parts import head


def tensor(x, units=5):
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dropout(0.5)(keras.layers.Dense(units, activation="relu")(x))
    return head(ops.multiply(x, 2.0), units)


def model(x):
    inputs = keras.Input(x.shape[1:])
    inner = keras.Sequential([keras.layers.Conv2D(4, 3), keras.layers.GlobalMaxPooling2D()])
    return keras.Model(inputs, inner(inputs))


def attention(x):
    x = keras.layers.Embedding(20, 8)(x)
    x = keras.layers.MultiHeadAttention(2, 4)(x, x)
    return keras.layers.GlobalAveragePooling1D()(x)


def pretrained(x):
    layer = keras.layers.Dense(4)
    y = layer(keras.layers.Flatten()(x))
    layer.kernel.assign(ops.ones_like(layer.kernel))
    return y


def complete(x, classes=3):
    return keras.layers.Dense(classes, activation="softmax")(keras.layers.Flatten()(x))


class Own(keras.layers.Layer):
    def call(self, x):
        return x


@keras.saving.register_keras_serializable("mine")
def doubled(x):
    return 2 * x


def own_layer(x):
    return Own()(keras.layers.Flatten()(x))


def own_activation(x):
    return keras.layers.Dense(3, activation=doubled)(keras.layers.Flatten()(x))


def unsafe(x):
    return keras.layers.Lambda(lambda y: y)(keras.layers.Flatten()(x))


def broken(x):
    return 1 / 0


def nothing(x):
    return None


value = 3
"""
PARTS = """
import keras


def head(x, units):
    return keras.layers.Dense(units)(x)
"""
CASES: dict[str, tuple[dict[str, Any], InputSpec]] = {
    "tensor": ({"entry": "nets:tensor"}, IMAGE),
    "arguments": ({"entry": "nets:tensor", "arguments": {"units": 7}}, TABLE),
    "model": ({"entry": "nets:model"}, IMAGE),
    "attention": ({"entry": "nets:attention"}, TEXT),
    "complete": ({"entry": "nets:complete", "add_output": False}, IMAGE),
}
every_case = pytest.mark.parametrize("case", CASES)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "nets.py").write_text(NETS)
    (tmp_path / "parts.py").write_text(PARTS)
    return tmp_path


def custom(folder: Path, case: str, **more: Any) -> keras.Model:
    section, inputs = CASES[case]
    return network({"type": "custom", "folder": str(folder), **section}, inputs, **more)


@every_case
def test_it_gives_the_task_and_loads_where_the_code_is_not(case: str, folder: Path, tmp_path: Path) -> None:
    model, inputs = custom(folder, case), CASES[case][1]
    outputs = model(batch(inputs)).numpy()
    np.testing.assert_allclose(outputs.sum(axis=1), 1, rtol=1e-5)
    assert model.layers[-1].name == "output"
    model.save(tmp_path / "network.keras")
    for name in ("nets", "parts"):
        sys.modules.pop(name)
        (folder / f"{name}.py").unlink()
    loaded = keras.saving.load_model(tmp_path / "network.keras", safe_mode=True)
    np.testing.assert_array_equal(outputs, loaded(batch(inputs)))


@every_case
def test_it_is_a_function_of_the_seed_whatever_was_built_before(case: str, folder: Path) -> None:
    inputs = CASES[case][1]
    one = custom(folder, case)
    keras.layers.Dense(3)
    random.seed(5)
    same, other = custom(folder, case), custom(folder, case, seed=2)
    assert one.to_json() == same.to_json()
    for a, b in zip(one.get_weights(), same.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(one(batch(inputs), training=True), same(batch(inputs), training=True))
    kernels = [w.path for w in one.trainable_weights if w.path.endswith(("kernel", "embeddings"))]
    changed = {a.path for a, b in zip(one.weights, other.weights, strict=True) if (a.numpy() != b.numpy()).any()}
    assert kernels
    assert set(kernels) <= changed


def test_python_s_generator_goes_on_as_if_nothing_was_seeded(folder: Path) -> None:
    def drawn(python_seed: int, seed: int) -> float:
        random.seed(python_seed)
        custom(folder, "tensor", seed=seed)
        return random.random()

    assert drawn(5, seed=1) == drawn(5, seed=2) != drawn(6, seed=1)


def test_queries_and_keys_start_differently(folder: Path) -> None:
    kernels = {w.path.split("/")[-2]: w.numpy() for w in custom(folder, "attention").weights if "kernel" in w.path}
    assert (kernels["query"] != kernels["key"]).all()


def test_weights_that_the_function_sets_are_kept(folder: Path) -> None:
    model = network({"type": "custom", "folder": str(folder), "entry": "nets:pretrained"}, IMAGE)
    np.testing.assert_array_equal(model.get_layer("custom").layers[-1].kernel, 1)


def test_arguments_reach_the_function(folder: Path) -> None:
    assert custom(folder, "arguments").get_layer("custom").output.shape == (None, 7)


def test_half_precision_is_inside_alone(folder: Path) -> None:
    model = custom(folder, "tensor", policy="mixed_float16")
    assert {layer.compute_dtype for layer in model.get_layer("custom").layers[1:] if layer.weights} == {"float16"}
    assert model(batch(IMAGE)).dtype == "float32"
    assert keras.config.dtype_policy().name == "float32"


def test_code_that_changed_is_read_again(folder: Path) -> None:
    custom(folder, "tensor")
    (folder / "parts.py").write_text(PARTS.replace("Dense(units)", "Dense(units + 20)"))
    assert custom(folder, "tensor").get_layer("custom").output.shape == (None, 25)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"entry": "nets:missing"}, r"model.entry: expected a function in nets. There is no `missing`"),
        ({"entry": "nets:value"}, r"expected a function in nets. There is no `value`"),
        ({"entry": "other:build"}, r"expected a module. There is no `other` in "),
        ({"entry": "nets:tensor", "arguments": {"unit": 3}}, r"failed: TypeError: .*'unit'"),
        ({"entry": "nets:broken"}, r"nets:broken failed: ZeroDivisionError: division by zero \(nets.py:\d+\)"),
        ({"entry": "nets:nothing"}, r"to return a Keras model or a tensor .* Received: NoneType"),
        ({"entry": "nets:own_layer"}, r"could not be loaded where it is served; build .*Own"),
        ({"entry": "nets:own_activation"}, r"could not be loaded where it is served; build .*doubled"),
        ({"entry": "nets:unsafe"}, r"could not be loaded where it is served; build .*Lambda"),
        (
            {"entry": "nets:complete", "arguments": {"classes": 4}, "add_output": False},
            r"model.entry: expected the last layer to give 3 values",
        ),
        (
            {"entry": "nets:complete", "add_output": False, "output_activation": "softmax"},
            r"model.output_activation: has no effect with add_output: false",
        ),
    ],
)
def test_what_cannot_be_used_is_refused(keys: dict[str, Any], message: str, folder: Path) -> None:
    with pytest.raises(ModelError, match=message):
        network({"type": "custom", "folder": str(folder), **keys}, IMAGE)
