import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from pipeline.augment.beta import NUM_QUANTILES, beta, quantiles

ALPHAS = [0.05, 0.2, 1.0, 2.5, 40.0]


@pytest.mark.parametrize("alpha", ALPHAS)
def test_quantiles_are_those_of_the_distribution(alpha: float) -> None:
    at = (np.arange(NUM_QUANTILES) + 0.5) / NUM_QUANTILES
    np.testing.assert_allclose(quantiles(alpha), scipy.stats.beta.ppf(at, alpha, alpha), atol=1e-9)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_even_numbers_become_those_of_the_distribution(alpha: float) -> None:
    units = (np.arange(20_000, dtype=np.float32) + 0.5) / 20_000
    values, distribution = beta(alpha, tf.constant(units)).numpy(), scipy.stats.beta(alpha, alpha)
    inner = (units > 0.01) & (units < 0.99)
    np.testing.assert_allclose(values[inner], distribution.ppf(units)[inner], atol=2e-3)
    assert values.var() == pytest.approx(distribution.var(), rel=0.01)


def test_the_ends_are_in_range() -> None:
    low, high = beta(0.2, tf.constant([0.0, 1.0 - 2.0**-24])).numpy()
    assert 0.0 <= low < 1e-6
    assert 1.0 - 1e-6 < high <= 1.0
