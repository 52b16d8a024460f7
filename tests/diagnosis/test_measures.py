"""What is measured of a layer, against plain NumPy and known answers."""

import numpy as np
import pytest

from pipeline.diagnosis.measures import columns_scale, noise_scale, row, spread
from pipeline.diagnosis.signals import Column

RNG = np.random.default_rng(0)


def measured(output: np.ndarray, activation: str = "relu", weights: np.ndarray | None = None) -> np.ndarray:
    given = np.ones((2, 3), "float32") if weights is None else weights
    with np.errstate(all="ignore"):
        return row(output, activation, [given], [np.array([0.0, 0.5], "float32")], [given * 2])


def test_a_row_holds_sizes_shares_and_the_change_of_the_weights() -> None:
    output = np.maximum(RNG.normal(size=(50, 4)), 0).astype("float32")
    output[:, 1] = 0
    found = measured(output)
    assert found[Column.SIZE] == pytest.approx(np.sqrt((output**2).mean()), rel=1e-5)
    assert found[Column.SPREAD] == pytest.approx(np.sqrt(output.var(axis=0).mean()), rel=1e-5)
    assert (found[Column.DEAD], found[Column.ZERO_GRADIENTS], found[Column.LARGEST]) == (0.25, 0.5, 1.0)
    assert (found[Column.UPDATE], found[Column.NON_FINITE]) == (0.5, 0.0)


def test_values_that_are_no_numbers_are_counted_and_overflow_is_infinite() -> None:
    output = np.ones((4, 2), "float32")
    output[0, 0] = np.nan
    assert measured(output)[Column.NON_FINITE] == pytest.approx(1 / 16)
    assert np.isinf(measured(np.full((4, 2), 1e30, "float32"))[Column.SIZE])
    assert measured(np.full((4, 2), 1e30, "float32"))[Column.NON_FINITE] == 0


def test_outputs_are_saturated_where_the_activation_is_flat() -> None:
    output = np.array([[0.999, 0.5], [0.5, 0.001]], "float32")
    assert measured(output, "sigmoid")[Column.SATURATED] == 0.5
    assert measured(output, "relu")[Column.SATURATED] == 0


def test_the_spread_of_what_does_not_change_is_exactly_0() -> None:
    assert spread(np.full((64, 3), 1234.567, "float32")) == 0
    moved = np.full((64, 3), 1234.567, "float32")
    moved[1] += 1
    assert spread(moved) == pytest.approx(moved.std(axis=0).mean(), rel=1e-3)


def test_the_scale_of_columns_leaves_out_those_that_are_constant() -> None:
    size, ratio = columns_scale(np.array([[1.0, 5.0, 0.0], [3.0, 5.0, 0.2]], "float32"))
    assert (size, ratio) == (pytest.approx(5.0), pytest.approx(10.0, rel=1e-5))
    assert np.isnan(columns_scale(np.zeros((0, 1)))).all()


def test_the_noise_scale_is_the_variance_of_gradients_over_their_squared_mean() -> None:
    of_each = 1.0 + 3.0 * RNG.normal(size=(256, 10_000)).astype("float32")
    found = noise_scale([of_each.mean(axis=0)], [of_each[::4].mean(axis=0)], 256, 64)
    assert found == pytest.approx(9.0, rel=0.1)
    assert np.isnan(noise_scale([np.ones(3)], [np.ones(3)], 4, 1))
