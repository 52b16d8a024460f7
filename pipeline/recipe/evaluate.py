"""The recipe's `evaluate` section: what is measured on the sealed test set."""

from typing import Annotated

from pydantic import Field

from models.section import Section
from pipeline.errors import UserError

CLASSES = ("binary", "multiclass")
LABELS = (*CLASSES, "multilabel")

METRICS: dict[str, tuple[str, ...]] = {
    "accuracy": LABELS,
    "balanced_accuracy": CLASSES,
    "top_k_accuracy": ("multiclass",),
    "precision_macro": LABELS,
    "recall_macro": LABELS,
    "f1_macro": LABELS,
    "f1_micro": LABELS,
    "f1_weighted": LABELS,
    "roc_auc": LABELS,
    "average_precision": LABELS,
    "log_loss": LABELS,
    "brier": CLASSES,
    "calibration_error": CLASSES,
    "mae": ("regression",),
    "rmse": ("regression",),
    "r2": ("regression",),
}
"""Metric to the tasks that have it."""

LOWER_IS_BETTER = ("log_loss", "brier", "calibration_error", "mae", "rmse")

DEFAULTS: dict[str, tuple[str, ...]] = {
    "binary": ("accuracy", "f1_macro", "roc_auc", "log_loss"),
    "multiclass": ("accuracy", "f1_macro", "roc_auc", "log_loss"),
    "multilabel": ("accuracy", "f1_macro", "roc_auc", "average_precision"),
    "regression": ("rmse", "mae", "r2"),
}
"""Metrics of each task when the recipe names none; the first is the one that the champion is compared by."""


class EvaluateConfig(Section):
    """What is measured on the sealed test set, once."""

    metrics: Annotated[tuple[str, ...], Field(strict=False)] | None = None
    """Names of metrics; by default those of the task. The first is what champions are compared by. Classes: accuracy,
    balanced_accuracy, top_k_accuracy (5), precision_macro, recall_macro, f1_macro, f1_micro, f1_weighted, roc_auc,
    average_precision, log_loss, brier, calibration_error (Guo et al. 2017). Values: mae, rmse, r2."""
    errors_shown: int = Field(16, ge=0)
    """How many of the most confidently wrong examples are shown."""
    robustness: bool = False
    """Whether the model is also scored on corrupted test examples, level by level: images with noise, blur, less
    contrast, rotated; texts with typos and words left out; tables with missing values and larger numbers. It takes as
    long as up to 10,000 examples more."""
    temperature_scaling: bool = False
    """Whether the exported model divides its logits by the temperature that fits the validation split (Guo et al.
    2017), so that it is as sure as it is right. It is fitted, and its effect shown, in any case. Only for classes."""


def resolve(section: EvaluateConfig, task: str) -> EvaluateConfig:
    """Fills the metrics of the task in and checks what can be checked only once the task is known.

    Raises:
        UserError: If a metric is unknown, or one that the task lacks.
    """
    known = [name for name, tasks in METRICS.items() if task in tasks]
    for i, name in enumerate(section.metrics or ()):
        if name not in known:
            raise UserError(
                f"evaluate.metrics.{i}: expected one of {', '.join(known)} for a {task} task. Received: {name!r}"
            )
    if section.temperature_scaling and task not in CLASSES:
        raise UserError(
            f"evaluate.temperature_scaling: expected false for a {task} task, which has no classes. Received: true"
        )
    if section.metrics:
        return section
    return EvaluateConfig.model_validate({**section.model_dump(), "metrics": DEFAULTS[task]})


def improvement(name: str, before: float, after: float) -> float:
    """How much better `after` is than `before` in a metric; negative where it is worse."""
    return before - after if name in LOWER_IS_BETTER else after - before
