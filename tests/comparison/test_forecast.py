"""Forecasts of how many examples or seeds would tell, and the words for it."""

import math

import numpy as np
import pytest
from scipy import stats

from pipeline.comparison.forecast import examples_needed, examples_needed_by_mcnemar, seeds_needed
from pipeline.comparison.paired import Effect
from pipeline.comparison.proportions import Discordance
from pipeline.comparison.verdict import rounded, verdict

CLOSE = Effect("accuracy", "A", "B", 0.004, -0.004, 0.012, 0.4, "McNemar's exact test", 450)


def power_of_mcnemar(only_first: float, only_second: float, num_examples: int) -> float:
    """Exact: over all counts of examples that differ, and all splits of these."""
    total, power = only_first + only_second, 0.0
    for differing in range(num_examples + 1):
        weight = stats.binom.pmf(differing, num_examples, total)
        if weight > 1e-9 and differing:
            seconds = np.arange(differing + 1)
            tails = stats.binom.cdf(np.minimum(seconds, differing - seconds), differing, 0.5)
            power += weight * stats.binom.pmf(seconds[2 * tails <= 0.05], differing, only_second / total).sum()
    return power


@pytest.mark.parametrize(("first", "second"), [(0.02, 0.04), (0.01, 0.03), (0.05, 0.09)])
def test_the_forecast_of_mcnemar_has_the_power_that_it_promises(first: float, second: float) -> None:
    counts = Discordance(round(1e6 * first), round(1e6 * second), 1_000_000)
    assert power_of_mcnemar(first, second, math.ceil(examples_needed_by_mcnemar(counts))) == pytest.approx(
        0.8, abs=0.02
    )


def test_half_the_difference_takes_four_times_the_examples() -> None:
    half = Effect("log_loss", "A", "B", 0.002, -0.006, 0.01, 0.7, "paired bootstrap", 450)
    assert examples_needed(half) == pytest.approx(4 * examples_needed(CLOSE))


def test_no_difference_is_never_told_apart() -> None:
    assert examples_needed_by_mcnemar(Discordance(3, 3, 100)) == math.inf
    assert seeds_needed(np.array([0.1, -0.1])) == math.inf


def test_seeds_have_the_power_that_they_promise() -> None:
    generator = np.random.Generator(np.random.PCG64(0))
    needed = int(seeds_needed(1.0 + np.array([-1.0, 1.0]) / math.sqrt(2)))
    assert needed == 10
    drawn = 1.0 + generator.normal(size=(4000, needed))
    assert (stats.ttest_1samp(drawn, 0, axis=1).pvalue <= 0.05).mean() == pytest.approx(0.8, abs=0.03)


def test_a_clear_difference_is_said_with_its_interval() -> None:
    clear = Effect("accuracy", "A", "B", 0.008, 0.002, 0.014, 0.008, "McNemar's exact test", 2000)
    assert verdict(clear) == (
        "B is better than A by 0.8 points of accuracy, 95 % interval 0.2 to 1.4 "
        "(McNemar's exact test, p = 0.008, 2,000 examples)"
    )


def test_the_better_one_is_named_first_whichever_it_is() -> None:
    clear = Effect("log_loss", "A", "B", -0.1, -0.15, -0.05, 0.0001, "paired bootstrap", 2000)
    assert verdict(clear).startswith("A is better than B by 0.1 of log loss, 95 % interval 0.05 to 0.15 (paired")


def test_a_difference_that_cannot_be_told_says_what_it_would_take() -> None:
    said = verdict(CLOSE, num_seeds=7)
    assert said.startswith("A and B are not distinguishable on 450 examples (B is 0.4 points ahead in accuracy")
    assert "you would need about 3,700 examples, or 7 seeds" in said


def test_models_that_are_level_need_no_forecast() -> None:
    level = Effect("accuracy", "A", "B", 0.0, -0.01, 0.01, 1.0, "McNemar's exact test", 450)
    assert "B is level in accuracy" in verdict(level)
    assert "no number of examples in reach would show" in verdict(level)


@pytest.mark.parametrize(("count", "said"), [(3.2, 4), (88_123, 89_000), (451, 460)])
def test_a_forecast_is_said_in_two_digits(count: float, said: int) -> None:
    assert rounded(count) == said
