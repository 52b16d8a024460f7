"""From the numbers a network gives to the answer a client reads."""

import numpy as np
import pandas as pd

from pipeline.serving.signature import Signature

THRESHOLD = 0.5
"""Probability above which the second class of a binary task, or a label of a multi-label one, is predicted."""


def probabilities(outputs: np.ndarray, task: str) -> np.ndarray:
    """Probability of each class: the outputs, and for a binary task both classes: (num_examples, num_classes)."""
    return np.concatenate([1 - outputs, outputs], axis=1) if task == "binary" else outputs


def predictions(outputs: np.ndarray, task: str) -> np.ndarray:
    """What the outputs amount to.

    Args:
        outputs: (num_examples, num_outputs), probabilities or values.
        task: binary, multiclass, multilabel or regression.

    Returns:
        Class indices int32 (num_examples,); multilabel: 0 or 1 for each label, int32 (num_examples, num_labels);
        regression: the values, float32 (num_examples,) or (num_examples, num_values).
    """
    if task == "multiclass":
        return np.asarray(outputs.argmax(axis=1), np.int32)
    if task == "regression":
        return outputs.squeeze(1) if outputs.shape[1] == 1 else outputs
    predicted = (outputs > THRESHOLD).astype(np.int32)
    return predicted.squeeze(1) if task == "binary" else predicted


def answers(outputs: np.ndarray, signature: Signature) -> pd.DataFrame:
    """Names the classes.

    Args:
        outputs: (num_examples, num_outputs), probabilities or values.
        signature: Task and names of the classes.

    Returns:
        A row an example. Classes: `prediction` (name), its `probability`, and `probability_<class>` of each class.
        Multi-label: `prediction` (list of names) and `probability_<label>`. Regression: `prediction` (value, or list of
        values).
    """
    predicted = predictions(outputs, signature.task)
    if signature.task == "regression":
        return pd.DataFrame({"prediction": list(predicted)})
    names = np.array(signature.classes, dtype=object)
    columns = probabilities(outputs, signature.task)
    each = {f"probability_{name}": columns[:, k] for k, name in enumerate(names)}
    if signature.task == "multilabel":
        return pd.DataFrame({"prediction": [names[row == 1].tolist() for row in predicted], **each})
    return pd.DataFrame({"prediction": names[predicted], "probability": columns.max(axis=1), **each})
