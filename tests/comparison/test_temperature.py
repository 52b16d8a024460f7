"""Temperature scaling: what it finds, and that the layer does the same."""

import numpy as np
import pytest

from pipeline.calibration import Scaling
from pipeline.comparison.temperature import at_temperature, fit_temperature
from pipeline.metrics import METRICS, Predicted


def sure(task: str, temperature: float, num_examples: int = 4000, seed: int = 0) -> Predicted:
    """Answers that are right as often as they say at `temperature`, and sharper by that factor as they are."""
    generator = np.random.Generator(np.random.PCG64(seed))
    logits = generator.normal(size=(num_examples, 1 if task == "binary" else 3)) * 1.5
    of = Predicted(task, np.zeros(num_examples, int), probabilities(logits, task))
    labels = (of.probabilities.cumsum(axis=1) < generator.random((num_examples, 1))).sum(axis=1)
    return Predicted(task, labels, probabilities(temperature * logits, task))


def probabilities(logits: np.ndarray, task: str) -> np.ndarray:
    if task == "binary":
        return np.asarray(1 / (1 + np.exp(-logits)))
    return np.asarray(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))


@pytest.mark.parametrize("task", ["binary", "multiclass"])
@pytest.mark.parametrize("temperature", [0.5, 3.0])
def test_the_planted_temperature_is_found(task: str, temperature: float) -> None:
    assert fit_temperature(sure(task, temperature)) == pytest.approx(temperature, rel=0.08)


def test_scaling_mends_the_calibration_and_keeps_the_predictions() -> None:
    scaling = Scaling(fit_temperature(sure("multiclass", 3.0)), sure("multiclass", 3.0, seed=1), exported=False)
    without, scaled = scaling.errors
    assert without.low > 0.1 > scaled.value
    assert scaling.effect.distinguishable
    assert (scaling.without.predictions == scaling.scaled.predictions).all()


def test_one_temperature_undoes_its_inverse() -> None:
    of = sure("multiclass", 1.0, 50)
    there = at_temperature(at_temperature(of, 2.5), 1 / 2.5)
    np.testing.assert_allclose(there.outputs, of.outputs)


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_the_layer_scales_as_the_figures_say(task: str) -> None:
    from pipeline.serving.scaling import Temperature

    of = sure(task, 2.0, 50)
    layer = Temperature(2.0)
    expected = at_temperature(of, 2.0).outputs
    np.testing.assert_allclose(layer(of.outputs.astype(np.float32)), expected, rtol=1e-5)
    assert Temperature.from_config(layer.get_config()).temperature == 2.0


@pytest.mark.parametrize("outputs", [[[0.0], [1.0]], [[1.0, 0.0], [0.0, 1.0]], [[0.01] * 99 + [0.01]] * 2])
@pytest.mark.parametrize("temperature", [0.05, 3.0, 20.0])
def test_a_network_that_is_sure_of_all_or_of_nothing_stays_finite(
    outputs: list[list[float]], temperature: float
) -> None:
    task = "binary" if len(outputs[0]) == 1 else "multiclass"
    of = at_temperature(Predicted(task, np.array([0, 1]), np.array(outputs, np.float32)), temperature)
    assert np.isfinite(of.outputs).all()
    assert np.isfinite(METRICS["log_loss"](of))
