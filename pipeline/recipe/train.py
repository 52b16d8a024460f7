"""The recipe's `train` section: how long, with which optimiser, schedule and precision."""

from typing import Any, Literal

from pydantic import ConfigDict, Field

from models.section import Section
from pipeline.errors import UserError
from pipeline.recipe.schedule import Constant, ScheduleConfig

LOSSES: dict[str, tuple[str, ...]] = {
    "binary": ("binary_crossentropy",),
    "multiclass": ("sparse_categorical_crossentropy",),
    "multilabel": ("binary_crossentropy",),
    "regression": ("mean_squared_error", "mean_absolute_error", "huber"),
}
"""Losses of each task; the first is what `auto` means."""

METRICS: dict[str, str] = {
    "binary": "accuracy",
    "multiclass": "accuracy",
    "multilabel": "accuracy",
    "regression": "mae",
}
"""The metric that is computed in each epoch beside the loss; multilabel: the share of right labels."""


class OptimizerConfig(Section):
    """A Keras optimiser by name, with any of its arguments."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Any]

    type: str = "adam"
    """Keras name: adam, adamw, sgd, rmsprop, ..."""
    learning_rate: float = Field(1e-3, gt=0)
    """Peak learning rate; the schedule is relative to it."""


class EarlyStoppingConfig(Section):
    """Stops when a metric no longer improves and keeps the weights of the best epoch."""

    monitor: str = "val_loss"
    """The metric to watch: `val_loss`, `loss`, or a metric of training such as `val_accuracy`."""
    patience: int = Field(5, ge=1)
    """Epochs without improvement after which training stops."""
    min_delta: float = Field(0.0, ge=0)
    """Smallest change that counts as an improvement."""


class ReduceOnPlateauConfig(Section):
    """Lowers a constant learning rate when a metric no longer improves (Keras `ReduceLROnPlateau`)."""

    monitor: str = "val_loss"
    """The metric to watch, as in `early_stopping`."""
    factor: float = Field(0.1, gt=0, lt=1)
    """What the rate is multiplied by."""
    patience: int = Field(10, ge=1)
    """Epochs without improvement after which the rate is lowered."""
    min_delta: float = Field(0.0, ge=0)
    """Smallest change that counts as an improvement."""
    cooldown: int = Field(0, ge=0)
    """Epochs after a reduction in which nothing is counted."""
    min_learning_rate: float = Field(0.0, ge=0)
    """Rate below which it is not lowered."""


class TrainConfig(Section):
    """How the network is trained."""

    epochs: int = Field(20, ge=1)
    """Passes over the training split."""
    optimizer: OptimizerConfig = OptimizerConfig()
    """A Keras optimiser by name, with its arguments."""
    schedule: ScheduleConfig = Constant(type="constant")
    """How the learning rate moves over the run."""
    reduce_on_plateau: ReduceOnPlateauConfig | None = None
    """When to lower the learning rate because a metric no longer improves; with a constant schedule only."""
    early_stopping: EarlyStoppingConfig | None = None
    """When to stop before the last epoch; null: never, and the last weights are kept."""
    loss: Literal[
        "auto",
        "binary_crossentropy",
        "sparse_categorical_crossentropy",
        "mean_squared_error",
        "mean_absolute_error",
        "huber",
    ] = "auto"
    """Keras name of the loss; auto: cross-entropy for classes, mean squared error for regression."""
    precision: Literal["auto", "float32", "mixed_float16", "mixed_bfloat16"] = "auto"
    """Keras dtype policy; auto: mixed_float16 on a GPU that has tensor cores, else float32."""
    deterministic: bool = True
    """Whether the same recipe on the same machine gives bit-identical weights."""


def monitors(task: str) -> tuple[str, ...]:
    """The values of an epoch that early stopping can watch."""
    return ("loss", METRICS[task], "val_loss", f"val_{METRICS[task]}")


def direction(monitor: str) -> Literal["max", "min"]:
    """Whether a larger or a smaller value of what is watched is better."""
    return "max" if monitor.endswith("accuracy") else "min"


def resolve(section: TrainConfig, task: str) -> TrainConfig:
    """Fills the loss of the task in and checks what can be checked only once the task is known.

    Raises:
        UserError: If the task has no such loss, or no such metric to watch.
    """
    if section.loss not in ("auto", *LOSSES[task]):
        raise UserError(
            f"train.loss: expected one of auto, {', '.join(LOSSES[task])} for a {task} task. Received: {section.loss!r}"
        )
    for key in ("early_stopping", "reduce_on_plateau"):
        watching = getattr(section, key)
        if watching is not None and watching.monitor not in monitors(task):
            raise UserError(
                f"train.{key}.monitor: expected one of {', '.join(monitors(task))} for a {task} task. "
                f"Received: {watching.monitor!r}"
            )
    if section.loss != "auto":
        return section
    return TrainConfig.model_validate({**section.model_dump(), "loss": LOSSES[task][0]})
