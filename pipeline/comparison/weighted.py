"""Every metric of `pipeline/metrics.py` under weights of the examples, for many sets of weights at once."""

from collections.abc import Callable

import numpy as np
from scipy import sparse

from pipeline.comparison.resampling import Statistic
from pipeline.metrics import NUM_BINS, Predicted, num_top

SHARES = ("accuracy", "top_k_accuracy")
"""Metrics that are shares of the examples; under several labels, shares of these."""

LARGEST_LOSS = -np.log(np.finfo(np.float64).eps)
"""Where scikit-learn cuts the loss of one example off."""


def weighted(name: str, of: Predicted) -> Statistic:
    """Prepares a metric for resampling: what it needs of each example is computed once.

    Args:
        name: A metric of the task.
        of: Labels and outputs.

    Returns:
        Weights, float64 (num_examples, num_resamples), to the metric (num_resamples,); weights of 1 give the metric
        itself, integers that of examples repeated so often.
    """
    return _WEIGHTED[name](of)


def is_mean(name: str) -> bool:
    """Whether a metric is a mean over examples."""
    return name in _MEANS


def per_example(name: str, of: Predicted) -> np.ndarray:
    """The values whose mean over the examples is the metric, which must be one that `is_mean`: (num_examples,)."""
    return _MEANS[name](of)


def hits(name: str, of: Predicted) -> np.ndarray | None:
    """Which examples count, 0 or 1 (num_examples,), for a metric that is a share of the examples; None for others."""
    return _MEANS[name](of) if name in SHARES and of.task != "multilabel" else None


def _mean(values: np.ndarray) -> Statistic:
    return lambda weights: (values @ weights) / weights.sum(axis=0)


def _of_mean(values: Callable[[Predicted], np.ndarray]) -> Callable[[Predicted], Statistic]:
    return lambda of: _mean(values(of))


def _right(of: Predicted) -> np.ndarray:
    right = of.predictions == of.labels
    return np.asarray(right.mean(axis=1) if right.ndim == 2 else right, np.float64)


def _top(of: Predicted) -> np.ndarray:
    probabilities = of.probabilities
    ranked = np.argsort(probabilities, axis=1, kind="mergesort")[:, ::-1]
    top = ranked[:, : num_top(probabilities.shape[1])]
    return np.asarray((top == of.labels[:, None]).any(axis=1), np.float64)


def _surprise(of: Predicted) -> np.ndarray:
    """Loss of each example in nats."""
    probabilities = of.probabilities
    if of.task != "multilabel":
        given = np.take_along_axis(probabilities, of.labels[:, None].astype(np.int64), axis=1)[:, 0]
        return _negative_log(given)
    return np.asarray(_negative_log(np.where(of.labels > 0, probabilities, 1 - probabilities)).mean(axis=1))


def _negative_log(probabilities: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.asarray(np.minimum(-np.log(probabilities), LARGEST_LOSS))


def _squares(of: Predicted) -> np.ndarray:
    squares = (of.probabilities - of.indicators) ** 2
    return np.asarray(squares[:, 1] if of.task == "binary" else squares.sum(axis=1))


def _distance(of: Predicted) -> np.ndarray:
    return np.asarray(np.abs(_residuals(of)).mean(axis=1))


def _residuals(of: Predicted) -> np.ndarray:
    """(num_examples, num_values), float64."""
    return np.asarray(of.predictions - of.labels, np.float64).reshape(len(of.labels), -1)


def _rmse(of: Predicted) -> Statistic:
    squares = _residuals(of).T ** 2
    return lambda weights: np.sqrt((squares @ weights) / weights.sum(axis=0)).mean(axis=0)


def _r2(of: Predicted) -> Statistic:
    squares = _residuals(of).T ** 2
    labels = of.labels.reshape(len(of.labels), -1).T.astype(np.float64)
    labels -= labels.mean(axis=1, keepdims=True)

    def r2(weights: np.ndarray) -> np.ndarray:
        spread = labels**2 @ weights - (labels @ weights) ** 2 / weights.sum(axis=0)
        return np.asarray((1 - (squares @ weights) / spread).mean(axis=0))

    return r2


def _calibration_error(of: Predicted) -> Statistic:
    confidence = of.probabilities.max(axis=1)
    bins = np.minimum((confidence * NUM_BINS).astype(int), NUM_BINS - 1)
    excess = _members(bins, NUM_BINS).multiply(confidence - (of.predictions == of.labels)).tocsr()
    return lambda weights: np.abs(excess @ weights).sum(axis=0) / weights.sum(axis=0)


def _members(groups: np.ndarray, num_groups: int) -> sparse.csr_array:
    """Sums by group, as a matrix: 1 where an example is of a group, (num_groups, num_examples)."""
    columns = np.arange(len(groups))
    return sparse.csr_array((np.ones(len(groups)), (groups, columns)), shape=(num_groups, len(groups)))


Counts = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]
"""Weights to the weight of right answers, of predictions and of labels of each class: (num_classes, num_resamples)."""


def _counts(of: Predicted) -> Counts:
    if of.task == "multilabel":
        labels, predicted = sparse.csr_array(of.indicators.T.astype(float)), sparse.csr_array(of.predictions.T * 1.0)
    else:
        num_classes = of.probabilities.shape[1]
        labels, predicted = _members(of.labels, num_classes), _members(of.predictions, num_classes)
    right = labels.multiply(predicted).tocsr()
    return lambda weights: (right @ weights, predicted @ weights, labels @ weights)


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Part of whole; 0 of nothing."""
    return np.asarray(np.divide(part, whole, out=np.zeros_like(part), where=whole > 0))


def _of_counts(score: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]) -> Callable[[Predicted], Statistic]:
    def prepare(of: Predicted) -> Statistic:
        counts = _counts(of)
        return lambda weights: score(*counts(weights))

    return prepare


def _f1(right: np.ndarray, predicted: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return _share(2 * right, predicted + labels)


def _balanced(right: np.ndarray, _: np.ndarray, labels: np.ndarray) -> np.ndarray:
    present = (labels > 0).sum(axis=0)
    return np.asarray(_share(right, labels).sum(axis=0) / present)


def _f1_micro(right: np.ndarray, predicted: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return _f1(*(counts.sum(axis=0) for counts in (right, predicted, labels)))


def _f1_weighted(right: np.ndarray, predicted: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return np.asarray((_f1(right, predicted, labels) * labels).sum(axis=0) / labels.sum(axis=0))


Ranking = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Weight of the class and of the rest, from the highest score down: (num_scores, num_resamples) each."""


def _ranking(score: Ranking, merge_inside: bool) -> Callable[[Predicted], Statistic]:
    """A figure of the order of the examples, the mean of one-against-rest over the classes.

    Args:
        score: The figure of one class.
        merge_inside: Whether the order among neighbours of the class does not matter to it; that among neighbours of
            the rest never does.
    """

    def prepare(of: Predicted) -> Statistic:
        classes = [k for k in of.ranked_classes if of.task != "binary" or k == 1]
        indicators, probabilities = of.indicators, of.probabilities
        ranked = [_ranked(indicators[:, k] == 1, probabilities[:, k], merge_inside) for k in classes]

        def mean(weights: np.ndarray) -> np.ndarray:
            if not ranked:
                return np.full(weights.shape[1], np.nan)
            areas = [score(inside @ weights, outside @ weights) for inside, outside in ranked]
            return np.asarray(np.mean(areas, axis=0))

        return mean

    return prepare


def _ranked(inside: np.ndarray, scores: np.ndarray, merge_inside: bool) -> tuple[sparse.csr_array, sparse.csr_array]:
    """Sums by distinct score, from the highest down, over the examples of a class and over the rest.

    Neighbouring scores whose order does not matter are one: it saves most of the work.
    """
    values, places = np.unique(-scores, return_inverse=True)
    num_inside = np.bincount(places, weights=inside, minlength=len(values))
    pure = np.where(num_inside == 0, 1, 0)
    if merge_inside:
        pure[num_inside == np.bincount(places, minlength=len(values))] = 2
    starts = (pure == 0) | (np.diff(pure, prepend=0) != 0)
    places = (np.cumsum(starts) - 1)[places]
    groups = _members(places, int(starts.sum()))
    return groups[:, inside] @ _rows(inside), groups[:, ~inside] @ _rows(~inside)


def _rows(chosen: np.ndarray) -> sparse.csr_array:
    """Takes the chosen examples: (num_chosen, num_examples)."""
    return sparse.eye_array(len(chosen), format="csr")[chosen]


def _area_under_roc(inside: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """The trapezoidal rule: examples of one score count half."""
    above = np.cumsum(inside, axis=0)
    with np.errstate(invalid="ignore"):
        return np.asarray((outside * (above - inside / 2)).sum(axis=0) / (above[-1] * outside.sum(axis=0)))


def _average_precision(inside: np.ndarray, outside: np.ndarray) -> np.ndarray:
    right = np.cumsum(inside, axis=0)
    precision = _share(right, right + np.cumsum(outside, axis=0))
    with np.errstate(invalid="ignore"):
        return np.asarray((inside * precision).sum(axis=0) / right[-1])


_MEANS: dict[str, Callable[[Predicted], np.ndarray]] = {
    "accuracy": _right,
    "top_k_accuracy": _top,
    "log_loss": _surprise,
    "brier": _squares,
    "mae": _distance,
}

_WEIGHTED: dict[str, Callable[[Predicted], Statistic]] = {
    **{name: _of_mean(values) for name, values in _MEANS.items()},
    "balanced_accuracy": _of_counts(_balanced),
    "precision_macro": _of_counts(lambda right, predicted, _: _share(right, predicted).mean(axis=0)),
    "recall_macro": _of_counts(lambda right, _, labels: _share(right, labels).mean(axis=0)),
    "f1_macro": _of_counts(lambda *counts: _f1(*counts).mean(axis=0)),
    "f1_micro": _of_counts(_f1_micro),
    "f1_weighted": _of_counts(_f1_weighted),
    "roc_auc": _ranking(_area_under_roc, merge_inside=True),
    "average_precision": _ranking(_average_precision, merge_inside=False),
    "calibration_error": _calibration_error,
    "rmse": _rmse,
    "r2": _r2,
}
