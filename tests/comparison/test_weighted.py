"""Metrics under weights are the metrics of repeated examples."""

import numpy as np
import pytest

from pipeline.comparison.weighted import is_mean, per_example, weighted
from pipeline.metrics import METRICS, Predicted
from pipeline.recipe import evaluate
from tests.comparison.examples import TASKS, predicted

CASES = [(task, name) for task in TASKS for name, tasks in evaluate.METRICS.items() if task in tasks]


@pytest.mark.parametrize(("task", "name"), CASES)
def test_weights_are_repetitions(task: str, name: str) -> None:
    of = predicted(task)
    generator = np.random.Generator(np.random.PCG64(1))
    weights = generator.integers(0, 4, size=(len(of.labels), 3)).astype(float)
    weights[:, 0] = 1
    repeated = [
        Predicted(task, np.repeat(of.labels, counts, axis=0), np.repeat(of.outputs, counts, axis=0))
        for counts in weights.T.astype(int)
    ]
    assert weighted(name, of)(weights) == pytest.approx([METRICS[name](each) for each in repeated], rel=1e-9)


@pytest.mark.parametrize(("task", "name"), [(task, name) for task, name in CASES if is_mean(name)])
def test_a_metric_that_is_a_mean_is_the_mean_of_its_examples(task: str, name: str) -> None:
    assert per_example(name, predicted(task)).mean() == pytest.approx(METRICS[name](predicted(task)))


def test_every_metric_can_be_weighted() -> None:
    assert {name for _, name in CASES} == set(METRICS)


def test_an_area_without_counter_examples_is_undefined() -> None:
    of = Predicted("binary", np.zeros(3, int), np.array([[0.1], [0.2], [0.3]]))
    assert np.isnan(weighted("roc_auc", of)(np.ones((3, 2)))).all()
