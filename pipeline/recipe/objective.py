"""What a training minimises and what it watches beside: losses and metrics of each task, by their Keras names."""

from typing import Any

NamedObject = str | dict[str, Any]
"""A Keras name (`huber`), or the name with arguments: `{type: huber, delta: 0.5}`."""

LOSSES: dict[str, tuple[str, ...]] = {
    "binary": ("binary_crossentropy", "binary_focal_crossentropy"),
    "multiclass": ("sparse_categorical_crossentropy", "categorical_crossentropy", "categorical_focal_crossentropy"),
    "multilabel": ("binary_crossentropy", "binary_focal_crossentropy"),
    "regression": (
        *("mean_squared_error", "mean_absolute_error", "huber", "log_cosh"),
        *("mean_absolute_percentage_error", "mean_squared_logarithmic_error"),
    ),
}
"""Losses of each task; the first is what `auto` means."""

METRICS: dict[str, str] = {
    "binary": "accuracy",
    "multiclass": "accuracy",
    "multilabel": "accuracy",
    "regression": "mae",
}
"""The metric that is computed in each epoch where the recipe names none; multilabel: the share of right labels."""

_YES_OR_NO = {
    "accuracy": "BinaryAccuracy",
    "auc": "AUC",
    "precision": "Precision",
    "recall": "Recall",
    "f1_score": "F1Score",
    "binary_crossentropy": "BinaryCrossentropy",
}

KERAS_METRICS: dict[str, dict[str, str]] = {
    "binary": _YES_OR_NO,
    "multiclass": {
        "accuracy": "CategoricalAccuracy",
        "top_k_categorical_accuracy": "TopKCategoricalAccuracy",
        "auc": "AUC",
        "precision": "Precision",
        "recall": "Recall",
        "f1_score": "F1Score",
        "categorical_crossentropy": "CategoricalCrossentropy",
    },
    "multilabel": _YES_OR_NO,
    "regression": {
        "mae": "MeanAbsoluteError",
        "mse": "MeanSquaredError",
        "rmse": "RootMeanSquaredError",
        "mape": "MeanAbsolutePercentageError",
        "r2_score": "R2Score",
    },
}
"""Metrics of each task by their name in a recipe, and their classes in `keras.metrics`."""

MINIMISED = ("loss", "binary_crossentropy", "categorical_crossentropy", "mae", "mse", "rmse", "mape")
"""What is watched that is better smaller."""

DECIDED_HERE = ("name", "dtype", "reduction", "axis", "from_logits", "num_classes", "num_labels", "ignore_class")
"""Arguments of Keras losses and metrics that follow from the network and its task."""


def named(given: NamedObject) -> tuple[str, dict[str, Any]]:
    """Splits a name, or `{type: name, argument: value}`, into name and arguments."""
    if isinstance(given, str):
        return given, {}
    return str(given.get("type")), {name: value for name, value in given.items() if name != "type"}
