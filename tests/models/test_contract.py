"""What every family of models promises, under every knob."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from pydantic import TypeAdapter

from models import build
from models.config import ModelConfig
from models.spec import InputSpec, OutputSpec, Task

BATCH = 6
PRIORS = (0.5, 0.3, 0.2)
IMAGE = InputSpec("image", {"image": (8, 6, 1)})
TABLE = InputSpec("table", {"numbers": (3,), "categories": (2,)}, category_sizes=(4, 3))
TEXT = InputSpec("text", {"tokens": (7,)}, vocabulary_size=20)
KNOBS = {"batch_norm": True, "dropout": 0.3, "l1": 1e-3, "l2": 1e-2, "activation": "tanh"}
LAYERS = {
    "type": "layers",
    "layers": [
        {"type": "Conv2D", "filters": 4, "kernel_size": [3, 3], "kernel_regularizer": {"type": "l2", "l2": 0.01}},
        {"type": "BatchNormalization"},
        {"type": "Flatten"},
        {"type": "Dropout", "rate": 0.5},
        {"type": "Dense", "units": 5, "kernel_initializer": "he_normal", "activation": "gelu"},
    ],
}
REGULARIZED = {
    "normalization": "layer",
    "dropout": 0.2,
    "dropout_type": "gaussian",
    "l2": 1e-2,
    "penalize": ["bias", "norm"],
    "max_norm": 2.0,
    "initializers": {"dense": "he_uniform", "output": {"type": "random_normal", "stddev": 0.1}},
    "output_bias": "priors",
}
SELF_NORMALIZING = {"activation": "selu", "dropout": 0.2, "dropout_type": "alpha"}
MAPS = {"normalization": "group", "norm_groups": 2, "dropout": 0.2, "dropout_type": "spatial", "input_noise": 0.1}
RECURRENT = {
    "type": "layers",
    "layers": [
        {"type": "Embedding", "input_dim": 20, "output_dim": 4},
        {"type": "Bidirectional", "layer": {"type": "LSTM", "units": 3, "dropout": 0.2}},
    ],
}

CASES: dict[str, tuple[dict[str, Any], InputSpec]] = {
    "mlp-image": ({"type": "mlp"}, IMAGE),
    "mlp-image-knobs": ({"type": "mlp", "units": [9, 8], **KNOBS}, IMAGE),
    "mlp-table": ({"type": "mlp", "units": [9]}, TABLE),
    "mlp-table-knobs": ({"type": "mlp", "units": [9], **KNOBS}, TABLE),
    "mlp-text": ({"type": "mlp", "units": [9]}, TEXT),
    "cnn": ({"type": "cnn", "filters": [4, 5]}, IMAGE),
    "cnn-knobs": ({"type": "cnn", "filters": [4], "convolutions": 2, **KNOBS}, IMAGE),
    "cnn-bare": ({"type": "cnn", "filters": [4], "pool_size": 1, "units": 0}, IMAGE),
    "text-pooling": ({"type": "text"}, TEXT),
    "text-pooling-knobs": ({"type": "text", **KNOBS}, TEXT),
    "text-conv1d": ({"type": "text", "encoder": "conv1d", "filters": [6, 5], "units": 0}, TEXT),
    "text-conv1d-knobs": ({"type": "text", "encoder": "conv1d", **KNOBS}, TEXT),
    "mlp-regularized": ({"type": "mlp", "units": [9], **REGULARIZED}, TABLE),
    "mlp-self-normalizing": ({"type": "mlp", "units": [9], **SELF_NORMALIZING}, IMAGE),
    "mlp-noise": ({"type": "mlp", "units": [8], "input_noise": 0.1}, TABLE),
    "cnn-regularized": ({"type": "cnn", "filters": [4], **REGULARIZED}, IMAGE),
    "cnn-maps": ({"type": "cnn", "filters": [4], **MAPS}, IMAGE),
    "cnn-self-normalizing": ({"type": "cnn", "filters": [4], **SELF_NORMALIZING}, IMAGE),
    "resnet": ({"type": "resnet", "filters": [4, 6], "blocks": 1}, IMAGE),
    "resnet-knobs": ({"type": "resnet", "filters": [4], "stochastic_depth": 0.3, **KNOBS}, IMAGE),
    "resnet-regularized": ({"type": "resnet", "filters": [4], "blocks": 1, **REGULARIZED}, IMAGE),
    "resnet-maps": ({"type": "resnet", "filters": [4, 6], "blocks": 1, **MAPS}, IMAGE),
    "resnet-bare": ({"type": "resnet", "filters": [4, 4], "blocks": 1, "batch_norm": False}, IMAGE),
    "convnext": ({"type": "convnext", "filters": [4, 6], "blocks": 1}, IMAGE),
    "convnext-knobs": (
        {"type": "convnext", "filters": [4], "stochastic_depth": 0.3, "layer_scale": 0.1, **KNOBS},
        IMAGE,
    ),
    "convnext-regularized": ({"type": "convnext", "filters": [4], "layer_scale": None, **REGULARIZED}, IMAGE),
    "convnext-maps": ({"type": "convnext", "filters": [4], "blocks": 1, **MAPS}, IMAGE),
    "text-regularized": ({"type": "text", "embedding_dim": 8, "encoder": "conv1d", **REGULARIZED}, TEXT),
    "text-bilstm": ({"type": "text", "encoder": "bilstm", "recurrent_units": [5]}, TEXT),
    "text-bilstm-deep": ({"type": "text", "encoder": "bilstm", "recurrent_units": [5, 4], **REGULARIZED}, TEXT),
    "text-bigru-knobs": ({"type": "text", "encoder": "bigru", "recurrent_units": [5], **KNOBS}, TEXT),
    "text-transformer": ({"type": "text", "encoder": "transformer", "embedding_dim": 8, "blocks": 1}, TEXT),
    "text-transformer-regularized": (
        {"type": "text", "encoder": "transformer", "embedding_dim": 8, "stochastic_depth": 0.3, **REGULARIZED},
        TEXT,
    ),
    "tabular": ({"type": "tabular", "units": [9]}, TABLE),
    "tabular-knobs": ({"type": "tabular", "units": [9], **KNOBS}, TABLE),
    "tabular-resnet": ({"type": "tabular", "backbone": "resnet", "width": 6}, TABLE),
    "tabular-resnet-regularized": (
        {"type": "tabular", "backbone": "resnet", "width": 6, "stochastic_depth": 0.3, **REGULARIZED},
        TABLE,
    ),
    "layers": (LAYERS, IMAGE),
    "layers-table": ({"type": "layers", "layers": [{"type": "Dense", "units": 4}]}, TABLE),
    "layers-recurrent": (RECURRENT, TEXT),
}
every_case = pytest.mark.parametrize("case", CASES)


def config(**section: Any) -> ModelConfig:
    return TypeAdapter(ModelConfig).validate_python(section)


def normalize(inputs: InputSpec) -> keras.Model:
    tensors = {
        name: keras.Input(shape, dtype="float32" if name in ("image", "numbers") else "int32", name=name)
        for name, shape in inputs.shapes.items()
    }
    outputs = dict(tensors)
    if "image" in tensors:
        outputs["image"] = keras.layers.Rescaling(1 / 255, name="unit", dtype="float32")(tensors["image"])
    return keras.Model(tensors, outputs, name="normalize")


def network(
    section: dict[str, Any], inputs: InputSpec, *, seed: int = 1, policy: str = "float32", task: Task = "multiclass"
) -> keras.Model:
    return build(config(**section), normalize(inputs), inputs, OutputSpec(task, 3, PRIORS), seed=seed, policy=policy)


def batch(inputs: InputSpec) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    if inputs.kind == "image":
        return {"image": rng.integers(0, 256, (BATCH, *inputs.shapes["image"]), dtype=np.uint8)}
    if inputs.kind == "text":
        tokens = rng.integers(2, inputs.vocabulary_size, (BATCH, *inputs.shapes["tokens"])).astype("int32")
        tokens[:, 5:] = 0
        return {"tokens": tokens}
    return {
        "numbers": rng.normal(size=(BATCH, 3)).astype("float32"),
        "categories": np.stack([rng.integers(0, n, BATCH) for n in inputs.category_sizes], axis=1).astype("int32"),
    }


@every_case
def test_output_is_a_distribution_over_the_classes_and_dropout_is_off(case: str) -> None:
    section, inputs = CASES[case]
    model = network(section, inputs)
    first, second = model(batch(inputs)).numpy(), model(batch(inputs), training=False).numpy()
    assert first.shape == (BATCH, 3)
    assert model.layers[-1].name == "output"
    np.testing.assert_allclose(first.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(first, second)


@every_case
def test_a_saved_network_loads_under_safe_mode_and_says_the_same(case: str, tmp_path: Path) -> None:
    section, inputs = CASES[case]
    model = network(section, inputs)
    model.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras", safe_mode=True)
    np.testing.assert_array_equal(model(batch(inputs)), loaded(batch(inputs)))


@every_case
def test_a_gradient_reaches_every_trainable_weight(case: str) -> None:
    section, inputs = CASES[case]
    model = network(section, inputs)
    with tf.GradientTape() as tape:
        outputs = model(batch(inputs), training=True)
        loss = tf.reduce_sum(keras.losses.sparse_categorical_crossentropy(np.arange(BATCH) % 3, outputs))
    gradients = tape.gradient(loss, model.trainable_weights)
    dead = [w.path for w, g in zip(model.trainable_weights, gradients, strict=True) if g is None or not _any(g)]
    assert dead == []


def _any(gradient: tf.Tensor | tf.IndexedSlices) -> bool:
    return bool(np.any(tf.convert_to_tensor(gradient)))


@every_case
def test_equal_seeds_give_equal_networks_and_others_differ(case: str) -> None:
    section, inputs = CASES[case]
    one, same, other = (network(section, inputs, seed=seed) for seed in (1, 1, 2))
    assert one.to_json() == same.to_json()
    for a, b in zip(one.get_weights(), same.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    for _ in range(2):
        np.testing.assert_array_equal(one(batch(inputs), training=True), same(batch(inputs), training=True))
    kernels = [w.path for w in one.trainable_weights if w.path.rsplit("/", 1)[-1].endswith(("kernel", "embeddings"))]
    assert kernels
    changed = {
        a.path for a, b in zip(one.weights, other.weights, strict=True) if (np.asarray(a) != np.asarray(b)).any()
    }
    assert set(kernels) <= changed


@every_case
def test_half_precision_inside_gives_float32_logits_and_outputs(case: str) -> None:
    section, inputs = CASES[case]
    model = network(section, inputs, policy="mixed_float16")
    own = {"output", "normalize", "category_offsets", "mean_embedding", "recurrent", *inputs.shapes}
    own |= {f"{name}_noise" for name in inputs.shapes}
    assert {layer.compute_dtype for layer in model.layers if layer.name not in own} == {"float16"}
    output = model(batch(inputs))
    assert output.dtype == output._keras_logits.dtype == model.layers[-1].compute_dtype == "float32"
    np.testing.assert_allclose(output, network(section, inputs)(batch(inputs)), atol=0.02)
