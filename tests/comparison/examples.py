"""Predictions of every task, drawn from a seed."""

import numpy as np

from pipeline.metrics import Predicted

TASKS = ("binary", "multiclass", "multilabel", "regression")


def predicted(task: str, num_examples: int = 60, *, seed: int = 0, noise: float = 1.0) -> Predicted:
    """Predictions that are right more often than not; two of one `num_examples` have the same labels.

    Args:
        task: Of the labels.
        num_examples: How many.
        seed: Of the outputs.
        noise: How far the outputs are from the labels.
    """
    truth = np.random.Generator(np.random.PCG64(100))
    errors = np.random.Generator(np.random.PCG64(seed))
    if task == "regression":
        values = truth.normal(size=(num_examples, 2))
        return Predicted(task, values, values + noise * errors.normal(size=values.shape))
    if task == "multilabel":
        labels = truth.integers(0, 2, size=(num_examples, 3))
        return Predicted(task, labels, _sigmoid(2 * labels - 1 + noise * errors.normal(size=labels.shape)))
    num_classes = 2 if task == "binary" else 4
    labels = truth.integers(0, num_classes, size=num_examples)
    if task == "binary":
        return Predicted(task, labels, _sigmoid((2 * labels - 1 + noise * errors.normal(size=num_examples))[:, None]))
    scores = np.exp(1.5 * (labels[:, None] == np.arange(4)) + noise * errors.normal(size=(len(labels), 4)))
    return Predicted(task, labels, np.round(scores / scores.sum(axis=1, keepdims=True), 2) + 1e-3)


def _sigmoid(values: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-values)))
