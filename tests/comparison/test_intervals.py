"""Intervals of metrics, against scipy and against what must hold."""

import math

import numpy as np
import pytest
from scipy import stats

from pipeline.comparison.intervals import Estimate, estimates, wilson
from pipeline.comparison.resampling import resampling_weights
from pipeline.comparison.weighted import per_example
from pipeline.metrics import Predicted, compute
from pipeline.recipe import evaluate
from tests.comparison.examples import TASKS, predicted


@pytest.mark.parametrize("task", TASKS)
def test_every_metric_of_a_task_lies_in_its_interval(task: str) -> None:
    names = [name for name, tasks in evaluate.METRICS.items() if task in tasks]
    of = predicted(task)
    found = estimates(names, of, seed=0, num_resamples=400)
    assert list(found) == names
    assert {name: estimate.value for name, estimate in found.items()} == compute(names, of)
    assert all(estimate.low < estimate.value < estimate.high for estimate in found.values())


def test_the_interval_of_a_mean_is_that_of_scipy() -> None:
    of = predicted("regression", 200)
    values = per_example("mae", of)
    expected = stats.bootstrap((values,), np.mean, n_resamples=9999, method="BCa", rng=np.random.default_rng(0))
    found = estimates(["mae"], of, seed=0, num_resamples=9999)["mae"]
    width = expected.confidence_interval.high - expected.confidence_interval.low
    assert found.low == pytest.approx(expected.confidence_interval.low, abs=0.03 * width)
    assert found.high == pytest.approx(expected.confidence_interval.high, abs=0.03 * width)


def test_an_interval_is_a_function_of_the_seed() -> None:
    of = predicted("multiclass")
    first, again, other = (estimates(["f1_macro"], of, seed=seed)["f1_macro"] for seed in (0, 0, 1))
    assert first == again != other


def test_accuracy_without_a_mistake_is_not_certain() -> None:
    of = Predicted("binary", np.array([0, 1] * 50), np.array([[0.1], [0.9]] * 50))
    found = estimates(["accuracy", "f1_macro"], of, seed=0)
    assert found["accuracy"].high == 1.0
    assert found["accuracy"].low == pytest.approx(100 / (100 + 1.96**2), abs=1e-4)
    assert math.isnan(found["f1_macro"].low)
    assert str(found["f1_macro"]) == "1.0000"


def test_more_examples_narrow_the_interval() -> None:
    widths = []
    for num_examples in (100, 1600):
        found = estimates(["log_loss"], predicted("multiclass", num_examples), seed=0)["log_loss"]
        widths.append(found.high - found.low)
    assert widths[0] / widths[1] == pytest.approx(4, rel=0.35)


def test_a_share_has_the_interval_of_wilson() -> None:
    low, high = wilson(90, 100)
    assert (low, high) == pytest.approx((0.8256, 0.9448), abs=1e-4)


def test_an_estimate_reads_as_a_figure_with_its_bounds() -> None:
    assert str(Estimate(0.9, 0.85, 0.94)) == "0.9000 [0.8500, 0.9400]"


def test_resamples_keep_the_size_of_each_class() -> None:
    strata = np.array([0] * 7 + [1] * 20 + [2])
    (weights,) = resampling_weights(strata, seed=0, num_resamples=50)
    for stratum, size in enumerate((7, 20, 1)):
        assert weights[strata == stratum].sum(axis=0) == pytest.approx(np.full(50, size))
    assert weights[-1].tolist() == [1.0] * 50


def test_resamples_have_the_variance_of_the_mean() -> None:
    values = np.array([0.0, 1.0, 5.0])
    (weights,) = resampling_weights(np.zeros(3, int), seed=0, num_resamples=40_000)
    assert (values @ weights / 3).var() == pytest.approx(values.var(ddof=1) / 3, rel=0.03)


def test_resamples_are_the_same_whatever_is_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    strata = np.zeros(10, int)
    whole = list(resampling_weights(strata, seed=3, num_resamples=8))
    monkeypatch.setattr("pipeline.comparison.resampling.BLOCK_SIZE", 20)
    parts = list(resampling_weights(strata, seed=3, num_resamples=8))
    assert (len(whole), len(parts)) == (1, 4)
    assert (np.concatenate(parts, axis=1) == whole[0]).all()
