"""What is read of a layer: numbers about its output, weights and gradients, made by NumPy where these lie.

Traced into the graph, the same numbers took longer to compile than all readings of a training take.
"""

from collections.abc import Sequence

import numpy as np

from pipeline.diagnosis.signals import Column

FLAT = 0.02
"""Slope of a bounded activation, relative to its largest, below which an output counts as saturated."""


def row(
    output: np.ndarray,
    activation: str,
    weights: Sequence[np.ndarray],
    gradients: Sequence[np.ndarray],
    previous: Sequence[np.ndarray],
) -> np.ndarray:
    """Measures one layer.

    Args:
        output: What it gives over the probe, float32 `(examples, …, units)`.
        activation: Its first activation, by its Keras name.
        weights: Float32.
        gradients: Of the loss in the weights, those that are known, float32.
        previous: The weights at the reading before.

    Returns:
        Float32 `(len(Column),)`; `Column.UPDATE` over all steps since the reading before.
    """
    gradients = gradients or [np.zeros(1, "float32")]
    values = {
        Column.SIZE: size([output]),
        Column.SPREAD: spread(output),
        Column.NON_FINITE: _non_finite([output, *weights, *gradients]),
        Column.DEAD: _dead(output),
        Column.SATURATED: _saturated(output, activation),
        Column.WEIGHT: size(weights),
        Column.GRADIENT: size(gradients),
        Column.ZERO_GRADIENTS: 1 - sum(map(np.count_nonzero, gradients)) / _count(gradients),
        Column.UPDATE: _change(weights, previous),
        Column.LARGEST: max(max(each.max(), -each.min()) for each in weights),
    }
    return np.array([values[column] for column in Column], "float32")


def size(arrays: Sequence[np.ndarray]) -> float:
    """Root mean square over all values."""
    return float(np.sqrt(sum(map(_squares, arrays)) / _count(arrays)))


def spread(values: np.ndarray) -> float:
    """Standard deviation over the examples (axis 0), root mean square over the rest.

    Measured from the first example, so that it is exactly 0 where all are alike.
    """
    moved = (values - values[:1]).reshape(len(values), -1)
    mean = moved.mean(axis=0)
    variance = (_squares(moved) / len(values) - _squares(mean)) / max(1, mean.size)
    return float(np.sqrt(np.maximum(variance, 0.0)))


def columns_scale(given: np.ndarray) -> tuple[float, float]:
    """Largest root mean square of the columns (axis -1), and largest over smallest standard deviation of them.

    NaN without examples.
    """
    columns = given.reshape(-1, given.shape[-1])
    if not len(columns):
        return np.nan, np.nan
    deviations = columns.std(axis=0)
    moving = deviations[deviations > 0]
    ratio = deviations.max() / moving.min() if moving.size else np.nan
    return float(np.sqrt((columns**2).mean(axis=0)).max()), float(ratio)


def noise_scale(large: Sequence[np.ndarray], small: Sequence[np.ndarray], num_large: int, num_small: int) -> float:
    """Estimates the examples at which a batch's gradient is half noise: the simple noise scale.

    Appendix A.1 of McCandlish et al. 2018, https://arxiv.org/abs/1812.06162.

    Args:
        large: Gradient over `num_large` examples.
        small: The same over fewer, `num_small`.
        num_large: Examples.
        num_small: Examples.

    Returns:
        NaN where the noise of this estimate hides it.
    """
    squares, few = (sum(map(_squares, each)) for each in (large, small))
    signal = (num_large * squares - num_small * few) / max(1, num_large - num_small)
    noise = (few - squares) / (1 / num_small - 1 / num_large) if num_small < num_large else 0.0
    return float(noise / signal) if signal > 0 and noise > 0 else float("nan")


def _squares(values: np.ndarray) -> float:
    flat = values.reshape(-1)
    return float(flat @ flat)


def _count(arrays: Sequence[np.ndarray]) -> int:
    return max(1, sum(each.size for each in arrays))


def _non_finite(arrays: Sequence[np.ndarray]) -> float:
    if np.isfinite(sum(map(_squares, arrays))):
        return 0.0
    return 1 - sum(np.count_nonzero(np.isfinite(each)) for each in arrays) / _count(arrays)


def _dead(output: np.ndarray) -> float:
    units = output.reshape(-1, output.shape[-1] if output.ndim else 1)
    return 1 - float(units.any(axis=0).mean())


def _saturated(output: np.ndarray, activation: str) -> float:
    """Share of outputs on the flat parts of an activation: slope below `FLAT` of the largest."""
    if activation == "tanh":
        slope = 1 - output**2
    elif activation == "sigmoid":
        slope = 4 * output * (1 - output)
    else:
        return 0.0
    return float((slope < FLAT).mean())


def _change(weights: Sequence[np.ndarray], previous: Sequence[np.ndarray]) -> float:
    """Norm of what changed, relative to the weights before."""
    squares = sum(_squares(now - before) for now, before in zip(weights, previous, strict=True))
    return float(np.sqrt(squares / max(sum(map(_squares, previous)), 1e-24)))
