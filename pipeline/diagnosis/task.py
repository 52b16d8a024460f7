"""What a training is asked to do, read from its loss and labels: classes, values, and what chance would get."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow.experimental.numpy as tnp
from scipy.special import entr

from pipeline.diagnosis.reference import neighbours_score
from pipeline.diagnosis.signals import LOG_LOSSES, RANGES

LossFunction = Callable[[Any, Any], Any]

Values = Any
"""A tensor, or a NumPy array, for which NumPy takes a tenth of the time."""

CLASSES = ("categorical_crossentropy", "categorical_focal_crossentropy", "categorical_hinge")
BINARY = ("binary_crossentropy", "binary_focal_crossentropy")
VALUES = (
    "mean_squared_error",
    "mean_absolute_error",
    "mean_squared_logarithmic_error",
    "mean_absolute_percentage_error",
    "huber",
    "log_cosh",
)


@dataclass(frozen=True)
class Task:
    """What the labels of a probe are, and how an output is scored against them."""

    kind: str
    """`classes`, `binary`, `labels`, `values` or `unknown`."""
    loss_name: str
    losses: LossFunction | None
    """(labels, outputs) -> the losses whose mean is the training's; None where the task is unknown."""
    from_logits: bool
    labels: np.ndarray
    """Class indices `(n,)`; 0 or 1 `(n, labels)`; values `(n, outputs)`."""

    def score(self, outputs: Values) -> Values:
        """Accuracy, or R² of values, float32; NaN where the task is unknown."""
        if self.kind == "unknown":
            return tf.constant(float("nan"))
        own = np if isinstance(outputs, np.ndarray) else tnp
        if self.kind == "values":
            residual = own.mean((own.reshape(outputs, self.labels.shape) - self.labels) ** 2)
            return 1 - residual / max(float(self.labels.var(axis=0).mean()), 1e-12)
        return own.mean(self.answers(outputs) == self.labels, dtype="float32")

    def answers(self, outputs: Values) -> Values:
        """Class indices int64 `(n,)`, or 0 and 1 `(n, labels)`."""
        own = np if isinstance(outputs, np.ndarray) else tnp
        if self.kind == "classes":
            return own.argmax(outputs, axis=-1)
        positive = outputs > (0.0 if self.from_logits else 0.5)
        return own.reshape(own.where(positive, np.int64(1), np.int64(0)), self.labels.shape)

    @property
    def chance(self) -> float:
        """Score of the best constant answer."""
        if self.kind == "classes":
            return float(np.unique(self.labels, return_counts=True)[1].max() / len(self.labels))
        if self.kind in ("binary", "labels"):
            share = self.labels.mean(axis=0)
            return float(np.maximum(share, 1 - share).mean())
        return 0.0 if self.kind == "values" else float("nan")

    def constant_loss(self, labels: Any, num_outputs: int) -> float:
        """Loss of the best constant answer; for values that of their mean.

        Args:
            labels: As `fit` gets them.
            num_outputs: Outputs of the network.
        """
        if self.kind == "unknown" or self.losses is None:
            return float("nan")
        if self.loss_name in LOG_LOSSES and not getattr(self.losses, "label_smoothing", 0):
            return self._entropy()
        share = self._shares(num_outputs)
        if self.from_logits and self.kind == "classes":
            share = np.log(share)
        elif self.from_logits and self.kind != "values":
            share = np.log(share / (1 - share))
        outputs = np.tile(share.astype("float32"), (len(self.labels), 1))
        return float(np.mean(self.losses(labels, tf.constant(outputs))))

    def _entropy(self) -> float:
        """Log loss of the shares of the classes."""
        if self.kind == "classes":
            shares = np.unique(self.labels, return_counts=True)[1] / len(self.labels)
            return float(-(shares * np.log(shares)).sum())
        yes = self.labels.mean(axis=0)
        return float(np.mean(entr(yes) + entr(1 - yes)))

    def neighbours(self, features: np.ndarray) -> float:
        """Score of nearest neighbours on the same examples; NaN where there is no sense in it."""
        known = self.kind in ("classes", "binary", "values") and features.dtype.kind in "biuf"
        if not known or len(self.labels) <= 1:
            return float("nan")
        labels = self.labels.astype("int64") if self.kind == "binary" else self.labels
        return neighbours_score(features, labels, classes=self.kind != "values")

    def _shares(self, num_outputs: int) -> np.ndarray:
        if self.kind == "classes":
            counts = np.bincount(self.labels, minlength=num_outputs).astype("float64")
            smoothed: np.ndarray = (counts + 1e-6) / (counts + 1e-6).sum()
            return smoothed
        means: np.ndarray = self.labels.reshape(len(self.labels), -1).mean(axis=0)
        return means if self.kind == "values" else means.clip(1e-6, 1 - 1e-6)


def task_of(model: keras.Model, labels: Any) -> Task:
    """Reads the task from a compiled model's loss and from labels of the form that `fit` takes.

    Args:
        model: Compiled; several losses, one that Keras does not know or that leaves a class out, or several labels an
            example of which each is a class (tagging), make an unknown task.
        labels: Of the probe.
    """
    name, function = _loss(model)
    array = None if isinstance(labels, dict | list | tuple) else np.asarray(labels)
    from_logits = _from_logits(model.loss) if function else False
    unknown = Task("unknown", name, None, from_logits, np.zeros(0))
    if array is None or function is None or array.ndim > 2 or getattr(function, "ignores_a_class", False):
        return unknown
    if name.removeprefix("sparse_") in CLASSES:
        sparse = name.startswith("sparse_") or array.ndim == 1
        if sparse and array.ndim == 2 and array.shape[1] > 1:
            return unknown
        indices = array.reshape(-1) if sparse else array.argmax(axis=-1)
        return Task("classes", name, function, from_logits, indices.astype("int64"))
    if name in BINARY:
        if array.ndim == 2 and array.shape[1] > 1:
            return Task("labels", name, function, from_logits, np.round(array).astype("int64"))
        return Task("binary", name, function, from_logits, np.round(array.reshape(-1)).astype("int64"))
    if name in VALUES:
        return Task("values", name, function, from_logits, array.reshape(len(array), -1).astype("float32"))
    return unknown


def labels_problem(task: Task, labels: Any, num_outputs: int) -> str:
    """Says what is wrong with the coding or range of labels; an empty text: nothing.

    Args:
        task: What the loss makes of them.
        labels: As `fit` gets them.
        num_outputs: Outputs of the network.
    """
    if task.kind == "unknown":
        return ""
    array = np.asarray(labels, "float64")
    if not np.isfinite(array).all():
        return "labels hold NaN or infinite values"
    if task.kind in ("binary", "labels") and (array.min() < 0 or array.max() > 1):
        return f"{task.loss_name} takes labels from 0 to 1; these go from {array.min():g} to {array.max():g}"
    if task.kind != "classes":
        return ""
    if task.loss_name.startswith("sparse_"):
        if array.min() < 0 or array.max() >= num_outputs:
            places = f"an output of width {num_outputs} takes class indices from 0 to {num_outputs - 1}"
            return f"labels go from {array.min():g} to {array.max():g}, but {places}"
    elif array.ndim == 2 and not np.allclose(array.sum(axis=1), 1, atol=1e-3):
        return "one-hot labels must add up to 1 in each row"
    return ""


def out_of_reach(task: Task, activation: str) -> bool:
    """Whether labels of a regression hold values that the output activation cannot give."""
    if task.kind != "values" or activation not in RANGES:
        return False
    lowest, highest = RANGES[activation]
    return bool(task.labels.min() < lowest or task.labels.max() > highest)


def _loss(model: keras.Model) -> tuple[str, LossFunction | None]:
    loss = model.loss
    if loss is None or isinstance(loss, dict | list | tuple):
        return "", None
    found = keras.losses.get(loss)
    function = getattr(found, "fn", found)
    name = getattr(function, "__name__", getattr(found, "name", type(found).__name__))
    kwargs = getattr(found, "_fn_kwargs", {}) if function is not found else {}
    plain = partial(function, **kwargs)  # without the weighting of examples, which takes long to trace

    def losses(labels: Any, outputs: tf.Tensor) -> tf.Tensor:
        return _losses(plain, labels, outputs)

    losses.label_smoothing = kwargs.get("label_smoothing", 0)  # type: ignore[attr-defined]
    losses.ignores_a_class = kwargs.get("ignore_class") is not None  # type: ignore[attr-defined]
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower(), losses


def _losses(loss: LossFunction, labels: Any, outputs: tf.Tensor) -> tf.Tensor:
    """Calls a loss as `fit` does: labels get the axis that they lack beside one output an example."""
    labels = tf.convert_to_tensor(labels)
    if len(labels.shape) == len(outputs.shape) - 1 and outputs.shape[-1] == 1:
        labels = labels[..., None]
    return loss(labels, outputs)


def _from_logits(loss: Any) -> bool:
    arguments = getattr(loss, "_fn_kwargs", {}) or {}
    return bool(getattr(loss, "from_logits", arguments.get("from_logits", False)))
