"""Losses and training metrics by their Keras names, for labels as they are stored or mixed."""

import inspect
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipeline.errors import UserError
from pipeline.recipe.objective import KERAS_METRICS, METRICS, NamedObject, named
from pipeline.recipe.train import TrainConfig

ONE_HOT = ("categorical_crossentropy", "categorical_focal_crossentropy")
"""Losses that take a probability for each class."""

CLASSES: dict[str, type[keras.losses.Loss]] = {
    name.lower(): member for name, member in vars(keras.losses).items() if inspect.isclass(member)
}

METRIC_DEFAULTS: dict[tuple[str, str], dict[str, Any]] = {
    ("binary", "f1_score"): {"average": "macro", "threshold": 0.5},
    ("multiclass", "f1_score"): {"average": "macro"},
    ("multilabel", "f1_score"): {"average": "macro", "threshold": 0.5},
    ("multilabel", "auc"): {"multi_label": True},
}
"""Arguments without which a metric is no single number, or is not that of the task."""


class OneHotLoss(keras.losses.Loss):  # type: ignore[misc]
    """Lets a loss of one-hot labels take class indices, int `(batch,)`, or probabilities, `(batch, num_classes)`.

    Args:
        loss: What is computed.
    """

    def __init__(self, loss: keras.losses.Loss):
        super().__init__(name=loss.name)
        self._loss = loss
        self.from_logits = bool(loss.get_config().get("from_logits", False))

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Returns the loss of each example, float32 `(batch,)`."""
        return self._loss.call(one_hot(y_true, y_pred), y_pred)


class LabelMetric(keras.metrics.Metric):  # type: ignore[misc]
    """Lets a metric of one-hot labels take class indices; of mixed labels the one that dominates counts.

    Args:
        metric: What is computed.
        exclusive: Whether an example has one class only.
    """

    def __init__(self, metric: keras.metrics.Metric, *, exclusive: bool):
        super().__init__(name=metric.name)
        self.metric = metric
        self._exclusive = exclusive

    def update_state(self, y_true: tf.Tensor, y_pred: tf.Tensor, sample_weight: tf.Tensor | None = None) -> None:
        """Takes one batch in."""
        labels = one_hot(y_true, y_pred)
        if self._exclusive:
            labels = tf.one_hot(tf.argmax(labels, axis=-1), labels.shape[-1])
        self.metric.update_state(labels if self._exclusive else labels > 0.5, y_pred, sample_weight)

    def result(self) -> tf.Tensor:
        """Returns the value over the batches so far."""
        return self.metric.result()


def loss(section: TrainConfig, *, mixed: bool = False) -> keras.losses.Loss:
    """Builds the loss.

    Args:
        section: Resolved for the task.
        mixed: Whether training labels of a multiclass task are probabilities `(batch, num_classes)`.

    Raises:
        UserError: If Keras refuses an argument.
    """
    name, arguments = named(section.loss)
    if section.label_smoothing:
        arguments["label_smoothing"] = section.label_smoothing
    if name == "sparse_categorical_crossentropy" and (mixed or section.label_smoothing):
        name = "categorical_crossentropy"
    built = _built(CLASSES[name.replace("_", "")], "train.loss", arguments)
    return OneHotLoss(built) if name in ONE_HOT else built


def metrics(section: TrainConfig, task: str) -> list[keras.metrics.Metric]:
    """Builds what is computed in each epoch beside the loss.

    Raises:
        UserError: If the task has no such metric, or Keras refuses an argument.
    """
    asked = section.metrics or (METRICS[task],)
    return [_metric(given, f"train.metrics.{i}", task) for i, given in enumerate(asked)]


def class_weights(section: TrainConfig, labels: np.ndarray, classes: tuple[str, ...]) -> dict[int, float] | None:
    """Weighs classes as `keras.Model.fit` takes it.

    Balanced weights are `num_examples / (num_classes * examples of the class)`, after King and Zeng 2001, "Logistic
    Regression in Rare Events Data".

    Args:
        section: The recipe's `train` section.
        labels: Class indices of the training split, (num_examples,).
        classes: Names of the classes.

    Raises:
        UserError: If there is no class of a name.
    """
    if section.class_weights is None:
        return None
    if section.class_weights == "balanced":
        counts = np.bincount(labels.astype(np.int64), minlength=len(classes))
        weights = len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1))
        return dict(enumerate(weights.tolist()))
    for name in section.class_weights:
        if name not in classes:
            raise UserError(f"train.class_weights.{name}: expected one of the classes: {', '.join(classes)}")
    # Keras 3.15 fails on a class that it finds no weight for.
    return {index: float(section.class_weights.get(name, 1.0)) for index, name in enumerate(classes)}


def one_hot(labels: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    """Gives labels the shape of the outputs, float32 `(batch, num_outputs)`; what has it already stays as it is."""
    if len(labels.shape) == len(outputs.shape):
        return tf.cast(labels, tf.float32)
    if outputs.shape[-1] == 1:
        return tf.cast(labels[:, None], tf.float32)
    return tf.one_hot(tf.cast(labels, tf.int32), outputs.shape[-1])


def _metric(given: NamedObject, key: str, task: str) -> keras.metrics.Metric:
    name, arguments = named(given)
    if name not in KERAS_METRICS[task]:
        raise UserError(
            f"{key}: expected one of {', '.join(KERAS_METRICS[task])} for a {task} task. Received: {name!r}"
        )
    cls = getattr(keras.metrics, KERAS_METRICS[task][name])
    metric = _built(cls, key, {**METRIC_DEFAULTS.get((task, name), {}), **arguments, "name": name})
    return metric if task == "regression" else LabelMetric(metric, exclusive=task == "multiclass")


def _built(cls: Any, key: str, arguments: dict[str, Any]) -> Any:
    try:
        return cls(**arguments)
    except (TypeError, ValueError) as error:
        raise UserError(f"{key}: {cls.__name__} refuses its arguments {arguments}: {error}") from error
