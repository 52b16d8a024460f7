"""The simulations of `benchmarks/comparison.py` are what they say: equal models are equal, better ones better."""

import numpy as np
import pytest

from benchmarks.comparison import MEASURED, PAGE, coverage_of_pairs, models
from pipeline.metrics import METRICS


def test_models_of_one_skill_are_equal_and_more_skill_is_better() -> None:
    first, second, better = models(9000, 2.5, 2.5, 2.7, seed=0)
    assert (first.labels == better.labels).all()
    scores = [METRICS["accuracy"](of) for of in (first, second, better)]
    assert abs(scores[0] - scores[1]) < 0.01 < scores[2] - scores[0]
    both = (first.predictions == first.labels) & (second.predictions == second.labels)
    assert both.mean() > scores[0] * scores[1] + 0.01


@pytest.mark.slow
def test_a_small_simulation_keeps_the_promise_roughly() -> None:
    found = coverage_of_pairs(90, 20, 2.5, 2.5)
    assert all(told <= 0.2 and held >= 0.8 for told, held in found.values())
    # Means are told apart where their interval ends; accuracy and what is resampled have a stricter test beside it.
    assert np.isclose([sum(found[metric]) for metric in ("log_loss", "brier")], 1).all()
    assert all(told + held < 1 + 1e-9 for told, held in found.values())


def test_the_page_has_the_place_that_the_command_writes() -> None:
    assert MEASURED.search(PAGE.read_text(encoding="utf-8"))
