"""How often each answer is right before anything is known of an example, and the bias that says so."""

from collections.abc import Sequence

import numpy as np

from models.spec import Task


def priors(labels: np.ndarray, task: Task, num_outputs: int) -> tuple[float, ...]:
    """Counts the labels of the training split.

    Args:
        labels: Class indices `(n,)` for multiclass and binary; 0 or 1 `(n, labels)` for multilabel; values `(n,)` or
            `(n, values)` for regression.
        task: What the labels are.
        num_outputs: Outputs of the network.

    Returns:
        One number an output: the share of the class, or of the positives, with one example more of each answer so that
        none is 0 or 1 (Laplace's rule of succession); the mean for regression.
    """
    if task == "multiclass":
        counts = np.bincount(labels, minlength=num_outputs)
        return tuple(((counts + 1) / (len(labels) + num_outputs)).tolist())
    columns = np.asarray(labels, "float64").reshape(len(labels), -1)
    if task == "regression":
        return tuple(columns.mean(axis=0).tolist())
    return tuple(((columns.sum(axis=0) + 1) / (len(labels) + 2)).tolist())


def prior_bias(values: Sequence[float], task: Task) -> np.ndarray:
    """Turns priors into the bias with which features of zero give them as output.

    Args:
        values: What `priors` gives.
        task: It decides the activation of the output.

    Returns:
        float32 `(num_outputs,)`: logarithms under softmax, log-odds under sigmoid, the values under linear.
    """
    shares = np.asarray(values, "float32")
    if task == "multiclass":
        shares = np.log(shares)
    elif task != "regression":
        shares = np.log(shares / (1 - shares))
    return shares
