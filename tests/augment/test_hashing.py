import numpy as np
import pytest
import tensorflow as tf

from pipeline.augment import hashing
from pipeline.augment.hashing import Draws, draws, mix, to_unit


def open_draws(key: int = 1, epoch: int = 0, count: int = 20_000, probability: float = 1.0) -> Draws:
    return draws(key, probability, tf.range(count), tf.constant(epoch))


def test_mix_is_lowbias32() -> None:
    def reference(x: int) -> int:
        x = ((x ^ x >> 16) * 0x7FEB352D) % 2**32
        x = ((x ^ x >> 15) * 0x846CA68B) % 2**32
        return x ^ x >> 16

    values = [0, 1, 2, 12345, 2**31, 2**32 - 1]
    assert mix(tf.constant(values, tf.uint32)).numpy().tolist() == [reference(value) for value in values]


def test_mix_maps_different_inputs_to_different_outputs() -> None:
    assert len(np.unique(mix(tf.cast(tf.range(100_000), tf.uint32)))) == 100_000


def test_unit_interval_is_closed_below_and_open_above() -> None:
    units = to_unit(tf.constant([0, 2**31, 2**32 - 1], tf.uint32)).numpy()
    assert units.tolist() == [0.0, 0.5, 1.0 - 2.0**-24]


def test_uniform_fills_its_range_evenly() -> None:
    counts, _ = np.histogram(open_draws().uniform(1, -3.0, 5.0), bins=16, range=(-3.0, 5.0))
    assert counts.sum() == 20_000
    # 15 degrees of freedom: above 37.7 once in a thousand seeds.
    assert ((counts - 1250) ** 2 / 1250).sum() < 37.7


def test_keys_epochs_examples_and_streams_are_uncorrelated() -> None:
    rows = [open_draws().uniform(1, 0.0, 1.0), open_draws().uniform(2, 0.0, 1.0)]
    rows += [open_draws(epoch=1).uniform(1, 0.0, 1.0), open_draws(key=2).uniform(1, 0.0, 1.0)]
    rows += [np.roll(rows[0], 1)]
    correlations = np.corrcoef(np.stack(rows))[np.triu_indices(5, 1)]
    assert np.abs(correlations).max() < 4 / np.sqrt(20_000)


def test_amount_is_zero_where_the_example_is_not_chosen() -> None:
    opened = open_draws(probability=0.3)
    amount, chosen = opened.amount(1, 2.0).numpy(), opened.chosen().numpy()
    assert abs(chosen.mean() - 0.3) < 0.015
    np.testing.assert_array_equal(amount != 0.0, chosen)
    assert -2.0 <= amount.min() < -1.99
    assert 1.99 < amount.max() < 2.0


def test_normal_has_the_moments_and_quantiles_of_the_standard_normal() -> None:
    values = np.ravel(open_draws(count=500).normal(1, (20, 10, 1)))
    assert abs(values.mean()) < 0.015
    assert abs(values.std() - 1.0) < 0.01
    assert abs((values**4).mean() - 3.0) < 0.15
    assert abs((values < -1.6449).mean() - 0.05) < 0.004
    assert np.isfinite(values).all()


def test_normal_is_finite_at_both_ends_of_the_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = tf.constant([[0], [2**32 - 1]], tf.uint32)
    monkeypatch.setattr(hashing, "fold", lambda state, value: ends)
    low, high = np.ravel(open_draws(count=2).normal(1, (1,)))
    assert -5.5 < low < -5.0
    assert 5.0 < high < 5.5
