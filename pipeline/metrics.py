"""Metrics of predictions: one table from the name in a recipe to a function of labels and outputs."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from sklearn import metrics

from pipeline.serving.answers import predictions, probabilities

NUM_BINS = 15
"""Bins of confidence for calibration (Guo et al. 2017, "On Calibration of Modern Neural Networks")."""


@dataclass(frozen=True)
class Predicted:
    """Labels of some examples and what a network said of them."""

    task: str
    """binary, multiclass, multilabel or regression."""
    labels: np.ndarray
    """Class indices (num_examples,), 0/1 labels (num_examples, num_labels), or values."""
    outputs: np.ndarray
    """What the network gave: (num_examples, num_outputs)."""

    @property
    def predictions(self) -> np.ndarray:
        """Class indices, 0/1 labels or values, of the shape of `labels`."""
        return predictions(self.outputs, self.task)

    @property
    def probabilities(self) -> np.ndarray:
        """Probability of each class or label, float64 (num_examples, num_classes); classes sum to 1."""
        columns = probabilities(self.outputs.astype(np.float64), self.task)
        return columns if self.task == "multilabel" else columns / columns.sum(axis=1, keepdims=True)

    @property
    def indicators(self) -> np.ndarray:
        """Whether an example is of each class: 0/1 (num_examples, num_classes)."""
        if self.task == "multilabel":
            return self.labels.astype(np.int32)
        return np.asarray(self.labels[:, None] == np.arange(self.probabilities.shape[1]), np.int32)

    @property
    def ranked_classes(self) -> list[int]:
        """Classes that have both examples and counter-examples, so that a ranking can be judged."""
        counts = self.indicators.sum(axis=0)
        return [k for k, count in enumerate(counts) if 0 < count < len(self.labels)]


def accuracy(of: Predicted) -> float:
    """Share of right answers; multilabel: of right labels, as Keras counts while training."""
    return float(np.mean(of.predictions == of.labels))


def top_k_accuracy(of: Predicted) -> float:
    """Share of examples whose class is among the five most probable, or the two with five classes or fewer."""
    num_classes = of.probabilities.shape[1]
    k = num_top(num_classes)
    return float(metrics.top_k_accuracy_score(of.labels, of.probabilities, k=k, labels=range(num_classes)))


def num_top(num_classes: int) -> int:
    """How many of the most probable classes `top_k_accuracy` looks at."""
    return 5 if num_classes > 5 else 2


def roc_auc(of: Predicted) -> float:
    """Area under the ROC curve, the mean of one-against-rest over the classes; NaN if there is one class only."""
    return _mean_over_classes(metrics.roc_auc_score, of)


def average_precision(of: Predicted) -> float:
    """Average precision, the mean of one-against-rest over the classes; binary: of class 1."""
    return _mean_over_classes(metrics.average_precision_score, of)


def log_loss(of: Predicted) -> float:
    """Cross-entropy in nats; multilabel: its mean over the labels."""
    if of.task == "multilabel":
        pairs = zip(of.labels.T, of.probabilities.T, strict=True)
        return float(np.mean([metrics.log_loss(labels, scores, labels=[0, 1]) for labels, scores in pairs]))
    return float(metrics.log_loss(of.labels, of.probabilities, labels=range(of.probabilities.shape[1])))


def brier(of: Predicted) -> float:
    """Mean squared error of the probabilities (Brier 1950): of class 1 if binary, else summed over the classes."""
    squares = (of.probabilities - of.indicators) ** 2
    return float(squares[:, 1].mean() if of.task == "binary" else squares.sum(axis=1).mean())


@dataclass(frozen=True)
class Calibration:
    """Confidence against accuracy in bins of confidence; bins without examples are left out."""

    confidence: np.ndarray
    """Mean probability of the predicted class, a bin each."""
    accuracy: np.ndarray
    """Share of right answers, a bin each."""
    share: np.ndarray
    """Share of all examples, a bin each."""

    @property
    def error(self) -> float:
        """Expected calibration error: mean distance of confidence and accuracy, weighted by examples."""
        return float(np.sum(self.share * np.abs(self.confidence - self.accuracy)))


def calibration(of: Predicted) -> Calibration:
    """Compares how sure the network was with how often it was right, in equal bins of confidence (Guo et al. 2017)."""
    confidence = of.probabilities.max(axis=1)
    right = of.predictions == of.labels
    bins = np.minimum((confidence * NUM_BINS).astype(int), NUM_BINS - 1)
    counts = np.bincount(bins, minlength=NUM_BINS)
    filled = counts > 0
    sums = [np.bincount(bins, weights=values, minlength=NUM_BINS)[filled] for values in (confidence, right)]
    return Calibration(sums[0] / counts[filled], sums[1] / counts[filled], counts[filled] / len(bins))


def _mean_over_classes(score: Callable[[np.ndarray, np.ndarray], float], of: Predicted) -> float:
    classes = [k for k in of.ranked_classes if of.task != "binary" or k == 1]
    if not classes:
        return float("nan")
    return float(np.mean([score(of.indicators[:, k], of.probabilities[:, k]) for k in classes]))


def _averaged(score: Callable[..., float], average: str) -> Callable[[Predicted], float]:
    """A score of classes, averaged over all classes of the task; one that is never predicted counts as 0."""

    def averaged(of: Predicted) -> float:
        classes = range(of.probabilities.shape[1])
        return float(score(of.labels, of.predictions, labels=classes, average=average, zero_division=0))

    return averaged


def _of_values(score: Callable[[np.ndarray, np.ndarray], float]) -> Callable[[Predicted], float]:
    return lambda of: float(score(of.labels, of.predictions))


METRICS: dict[str, Callable[[Predicted], float]] = {
    "accuracy": accuracy,
    "balanced_accuracy": _of_values(metrics.balanced_accuracy_score),
    "top_k_accuracy": top_k_accuracy,
    "precision_macro": _averaged(metrics.precision_score, "macro"),
    "recall_macro": _averaged(metrics.recall_score, "macro"),
    "f1_macro": _averaged(metrics.f1_score, "macro"),
    "f1_micro": _averaged(metrics.f1_score, "micro"),
    "f1_weighted": _averaged(metrics.f1_score, "weighted"),
    "roc_auc": roc_auc,
    "average_precision": average_precision,
    "log_loss": log_loss,
    "brier": brier,
    "calibration_error": lambda of: calibration(of).error,
    "mae": _of_values(metrics.mean_absolute_error),
    "rmse": _of_values(metrics.root_mean_squared_error),
    "r2": _of_values(metrics.r2_score),
}


def compute(names: Iterable[str], of: Predicted) -> dict[str, float]:
    """Computes metrics by name, in the order asked for."""
    return {name: METRICS[name](of) for name in names}
