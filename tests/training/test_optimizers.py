"""Optimisers and what is done to gradients: effects on values, worked out by hand."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from models.keras_api import keras_api
from pipeline.errors import UserError
from pipeline.recipe.train import OptimizerConfig
from pipeline.serving.compose import load_model
from pipeline.training.optimizers import exempt_from_weight_decay, optimizer, require_an_update, update_arguments
from tests.compute.test_estimate import assembled
from tests.small_runs import Stages, model, train_section, train_small

TRAINABLE = sorted(set(keras_api()["optimizers"]) - {"LossScaleOptimizer", "MultiOptimizer"})


def sgd(policy: str = "float32", **section: Any) -> keras.optimizers.Optimizer:
    """Gradient descent with rate 1, so that an update is what is left of the gradient."""
    arguments = update_arguments(train_section(**section))
    return optimizer(OptimizerConfig(type="sgd"), learning_rate=1.0, policy=policy, **arguments)


def update(by: keras.optimizers.Optimizer, *batches: list[list[float]]) -> list[np.ndarray]:
    """What the gradients of some batches, one for each of two variables, take off the variables."""
    variables = [keras.Variable(np.zeros(len(gradient), np.float32)) for gradient in batches[0]]
    by.build(variables)
    for gradients in batches:
        scaled = [keras.ops.convert_to_tensor(gradient) * by.scale_loss(1.0) for gradient in gradients]
        by.apply(scaled, variables)
    return [-np.asarray(variable) for variable in variables]


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
@pytest.mark.parametrize("name", TRAINABLE)
def test_every_optimizer_of_keras_trains(name: str, policy: str) -> None:
    start = np.eye(3, 2, dtype=np.float32) + 1
    kernel, bias = keras.Variable(start, name="kernel"), keras.Variable(np.ones(2, np.float32), name="bias")
    built = optimizer(OptimizerConfig(type=name), learning_rate=0.05, policy=policy)
    built.build([kernel, bias])
    for _ in range(5):
        scale = built.scale_loss(1.0)
        built.apply([kernel.value * scale, bias.value * scale], [kernel, bias])
    assert np.abs(kernel).mean() < np.abs(start).mean()
    assert np.abs(bias).mean() < 1


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_weight_decay_shrinks_kernels_and_leaves_vectors_alone(policy: str) -> None:
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2), keras.layers.LayerNormalization()])
    section = OptimizerConfig.model_validate({"type": "adamw", "weight_decay": 0.1})
    built = optimizer(section, learning_rate=0.5, policy=policy)
    exempt_from_weight_decay(built, network)
    before = {variable.path: variable.numpy() for variable in network.trainable_variables}
    built.build(network.trainable_variables)
    built.apply([keras.ops.zeros_like(v) for v in network.trainable_variables], network.trainable_variables)
    assert len(before) == 4
    for variable in network.trainable_variables:
        factor = 0.95 if variable.name == "kernel" else 1.0
        np.testing.assert_allclose(variable.numpy(), factor * before[variable.path], rtol=1e-6)


@pytest.mark.parametrize(("key", "bias_factor"), [("kernels", 1.0), ("all", 0.95)])
def test_weight_decay_shrinks_vectors_where_the_recipe_says_so(digits: Stages, key: str, bias_factor: float) -> None:
    decaying = {"type": "adamw", "learning_rate": 0.5, "weight_decay": 0.1}
    learner = assembled(digits.prepared, optimizer=decaying, weight_decay_on=key).learner
    variables = learner.trainable_variables
    for variable in variables:
        variable.assign(keras.ops.ones_like(variable))
    learner.optimizer.build(variables)
    learner.optimizer.apply([keras.ops.zeros_like(variable) for variable in variables], variables)
    assert {variable.name for variable in variables} == {"kernel", "bias"}
    for variable in variables:
        np.testing.assert_allclose(variable, 0.95 if variable.name == "kernel" else bias_factor, rtol=1e-6)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
@pytest.mark.parametrize(
    ("clip", "expected"),
    [
        ({}, [[3, 4], [12]]),
        ({"clip": {"value": 3.5}}, [[3, 3.5], [3.5]]),
        ({"clip": {"norm": 2.5}}, [[1.5, 2], [2.5]]),
        ({"clip": {"global_norm": 6.5}}, [[1.5, 2], [6]]),
    ],
)
def test_gradients_are_clipped_as_the_key_says(clip: dict[str, Any], expected: list[list[float]], policy: str) -> None:
    for found, wanted in zip(update(sgd(policy, **clip), [[3.0, 4.0], [12.0]]), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-6)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_accumulation_makes_one_update_of_the_mean_gradient(policy: str) -> None:
    batches = [[1.0], [2.0]], [[3.0], [4.0]], [[5.0], [6.0]]
    assert np.concatenate(update(sgd(policy, accumulate_steps=3), *batches[:2])).tolist() == [0, 0]
    np.testing.assert_allclose(np.concatenate(update(sgd(policy, accumulate_steps=3), *batches)), [3, 4], rtol=1e-6)
    clipped = sgd(policy, accumulate_steps=3, clip={"value": 3.5})
    np.testing.assert_allclose(np.concatenate(update(clipped, *batches)), [3, 3.5], rtol=1e-6)


@pytest.mark.slow
def test_accumulated_batches_train_as_one_large_batch(digits: Stages, tmp_path: Path) -> None:
    network = model(type="mlp", units=[16])
    sgd_section = {"epochs": 2, "optimizer": {"type": "sgd", "learning_rate": 0.5, "momentum": 0.9}}
    large = train_small(digits.prepared, tmp_path / "large", network, train_section(**sgd_section), batch_size=300)
    small = train_small(
        digits.prepared,
        tmp_path / "small",
        network,
        train_section(**sgd_section, accumulate_steps=10),
        batch_size=30,
    )
    plain = train_small(digits.prepared, tmp_path / "plain", network, train_section(**sgd_section), batch_size=30)
    weights = [load_model(folder / "network.keras").get_weights() for folder in (large, small, plain)]
    for one, other, without in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
        assert np.abs(one - without).max() > 1e-3


def test_a_run_that_would_never_update_is_refused() -> None:
    require_an_update(train_section(accumulate_steps=10), 10)
    with pytest.raises(UserError, match=r"train\.accumulate_steps: expected no more than the run's 10 batches.*11"):
        require_an_update(train_section(accumulate_steps=11), 10)
