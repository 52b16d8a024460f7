"""The bootstrap over test examples, as weights: how often each example is drawn, for many resamples at once."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from models.seeds import seed_for

SEED = seed_for(0, "resampling of test examples")
"""Of all intervals of test results: the same answers have the same intervals."""

NUM_RESAMPLES = 2000
BLOCK_SIZE = 4_000_000
"""Weights held in memory at once: 32 MB."""

Statistic = Callable[[np.ndarray], np.ndarray]
"""A figure under weights: float64 (num_examples, num_resamples) -> (num_resamples,)."""


def resample(
    statistics: Sequence[Statistic], strata: np.ndarray, *, seed: int, num_resamples: int = NUM_RESAMPLES
) -> np.ndarray:
    """Computes figures on resamples of the test examples, all figures on the same ones.

    Args:
        statistics: Figures of the same examples.
        strata: int (num_examples,): the class of each example, where every class keeps its size; all 0: none.
        seed: The same seed draws the same resamples.
        num_resamples: How many.

    Returns:
        (num_statistics, num_resamples).
    """
    blocks = [
        np.stack([statistic(weights) for statistic in statistics])
        for weights in resampling_weights(strata, seed=seed, num_resamples=num_resamples)
    ]
    return np.concatenate(blocks, axis=1)


def percentiles(draws: np.ndarray, shares: Sequence[float] | np.ndarray) -> list[float]:
    """Reads percentiles off resampled figures: those that a further draw would fall below in these shares of cases.

    NumPy's own are too far inside by about one draw on each side, which costs an interval of 400 draws half a percent
    of its coverage (Hyndman and Fan 1996, "Sample Quantiles in Statistical Packages", definition 6).

    Args:
        draws: (num_resamples,), finite.
        shares: In [0, 1].
    """
    return [float(value) for value in np.quantile(draws, shares, method="weibull")]


def resampling_weights(strata: np.ndarray, *, seed: int, num_resamples: int) -> Iterator[np.ndarray]:
    """Yields the weights of resamples, some resamples at a time.

    From a stratum of n examples n - 1 are drawn and count n / (n - 1) each: drawing n would understate the variance by
    that factor, which shows where classes are small (Rao and Wu 1988, "Resampling Inference With Complex Survey
    Data"). The only example of a class stays.

    Args:
        strata: int (num_examples,).
        seed: Of the draws.
        num_resamples: How many in all.

    Yields:
        float64 (num_examples, some resamples); each resample sums to num_examples.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    members = [np.flatnonzero(strata == stratum) for stratum in np.unique(strata)]
    size = max(1, BLOCK_SIZE // len(strata))
    for first in range(0, num_resamples, size):
        weights = np.empty((len(strata), min(size, num_resamples - first)))
        for rows in members:
            weights[rows] = _draws(generator, len(rows), weights.shape[1])
        yield weights


def _draws(generator: np.random.Generator, num_examples: int, num_resamples: int) -> np.ndarray:
    """Weights of one stratum: (num_examples, num_resamples)."""
    if num_examples == 1:
        return np.ones((1, num_resamples))
    drawn = generator.integers(num_examples, size=(num_resamples, num_examples - 1))
    drawn += num_examples * np.arange(num_resamples)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=num_examples * num_resamples)
    return counts.reshape(num_resamples, num_examples).T * (num_examples / (num_examples - 1))
