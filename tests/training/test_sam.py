"""Sharpness-aware minimisation: its step worked out by hand, and what it leaves behind."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from pipeline.recipe.train import OptimizerConfig
from pipeline.serving.compose import load_model
from pipeline.training.optimizers import optimizer
from pipeline.training.sam import SharpnessAware
from tests.small_runs import Stages, model, train_section, train_small

MLP = model(type="mlp", units=[16], dropout=0.2, batch_norm=True)


@pytest.mark.parametrize(("policy", "tolerance"), [("float32", 1e-5), ("mixed_float16", 1e-2)])
def test_the_gradient_is_taken_at_the_worst_point_nearby(policy: str, tolerance: float) -> None:
    """Of the loss (w1² + 3 w2²) / 100; gradient (2 w1, 6 w2) / 100."""
    inputs = keras.Input((2,))
    weights = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones", dtype=policy)
    network = keras.Model(inputs, weights(inputs))
    learner = SharpnessAware(network, rho=0.5)
    by = optimizer(OptimizerConfig(type="sgd"), learning_rate=10.0, policy=policy)
    learner.compile(by, loss="mean_squared_error", auto_scale_loss=False)
    # The mean of the squared outputs of rows (√2, 0) and (0, √6) is w1² + 3 w2².
    rows = np.array([[2**0.5, 0], [0, 6**0.5]], np.float32) / 10
    logs = learner.fit(rows, np.zeros((2, 1)), batch_size=2, shuffle=False, verbose=0).history
    gradient = np.array([2.0, 6.0])
    worst = 1 + 0.5 * gradient / np.linalg.norm(gradient)
    expected = 1 - 0.1 * worst * gradient
    np.testing.assert_allclose(network.get_weights()[0].ravel(), expected, rtol=tolerance)
    assert logs["loss"] == pytest.approx([0.04], rel=tolerance)


def test_a_step_counts_once_for_batch_norm_and_for_dropout(digits: Stages, tmp_path: Path) -> None:
    """With a vanishing rho the run is the one without, to rounding."""
    plain, almost = [
        train_small(digits.prepared, tmp_path / str(i), MLP, train_section(epochs=2, sam=sam))
        for i, sam in enumerate([None, {"rho": 1e-9}])
    ]
    weights = [load_model(folder / "network.keras").get_weights() for folder in (plain, almost)]
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_the_network_it_trains_is_a_plain_one_and_the_same_each_time(
    digits: Stages, tmp_path: Path, precision: str
) -> None:
    section = train_section(epochs=3, optimizer={"learning_rate": 0.01}, sam={"rho": 0.05}, precision=precision)
    first, second = [train_small(digits.prepared, tmp_path / name, MLP, section) for name in ("first", "second")]
    assert (first / "fingerprint").read_text() == (second / "fingerprint").read_text()
    network = load_model(first / "network.keras")
    assert type(network) is type(load_model(digits.trained / "network.keras"))
    losses = [epoch["loss"] for epoch in json.loads((first / "history.json").read_text())["epochs"]]
    assert losses[-1] < losses[0]
