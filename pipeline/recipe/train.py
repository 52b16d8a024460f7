"""The recipe's `train` section: how long, with which optimiser, schedule and precision."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from models.section import Section
from pipeline.errors import UserError

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


class Schedule(Section):
    """What every learning-rate schedule has."""

    warmup_epochs: float = Field(0.0, ge=0)
    """Epochs over which the rate rises from 0 to its peak in a straight line, before the schedule begins."""


class Constant(Schedule):
    """The learning rate stays at its peak."""

    type: Literal["constant"]
    """The schedule."""


class Cosine(Schedule):
    """The rate falls along half a cosine until the last epoch (Loshchilov and Hutter 2017)."""

    type: Literal["cosine"]
    """The schedule."""
    final_fraction: float = Field(0.0, ge=0, le=1)
    """Rate at the end, as a share of the peak."""


class Exponential(Schedule):
    """The rate is multiplied by `decay` each epoch, smoothly."""

    type: Literal["exponential"]
    """The schedule."""
    decay: float = Field(0.9, gt=0, le=1)
    """Factor an epoch."""


class Step(Schedule):
    """The rate is multiplied by `factor` every `every_epochs` epochs."""

    type: Literal["step"]
    """The schedule."""
    every_epochs: float = Field(10.0, gt=0)
    """Epochs between two drops."""
    factor: float = Field(0.1, gt=0, lt=1)
    """What the rate is multiplied by at each drop."""


ScheduleConfig = Annotated[Constant | Cosine | Exponential | Step, Field(discriminator="type")]


class EarlyStoppingConfig(Section):
    """Stops when a metric no longer improves and keeps the weights of the best epoch."""

    monitor: str = "val_loss"
    """The metric to watch: `val_loss`, `loss`, or a metric of training such as `val_accuracy`."""
    patience: int = Field(5, ge=1)
    """Epochs without improvement after which training stops."""
    min_delta: float = Field(0.0, ge=0)
    """Smallest change that counts as an improvement."""


class TrainConfig(Section):
    """How the network is trained."""

    epochs: int = Field(20, ge=1)
    """Passes over the training split."""
    optimizer: OptimizerConfig = OptimizerConfig()
    """A Keras optimiser by name, with its arguments."""
    schedule: ScheduleConfig = Constant(type="constant")
    """How the learning rate moves over the run."""
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


def resolve(section: TrainConfig, task: str) -> TrainConfig:
    """Fills the loss of the task in and checks what can be checked only once the task is known.

    Raises:
        UserError: If the task has no such loss, or no such metric to watch.
    """
    if section.loss not in ("auto", *LOSSES[task]):
        raise UserError(
            f"train.loss: expected one of auto, {', '.join(LOSSES[task])} for a {task} task. Received: {section.loss!r}"
        )
    stopping = section.early_stopping
    if stopping is not None and stopping.monitor not in monitors(task):
        raise UserError(
            f"train.early_stopping.monitor: expected one of {', '.join(monitors(task))} for a {task} task. "
            f"Received: {stopping.monitor!r}"
        )
    if section.loss != "auto":
        return section
    return TrainConfig.model_validate({**section.model_dump(), "loss": LOSSES[task][0]})
