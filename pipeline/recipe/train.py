"""The recipe's `train` section: how long, with which optimiser, schedule and precision."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from models.section import Section
from pipeline.errors import UserError
from pipeline.recipe.checkpoint import CheckpointConfig
from pipeline.recipe.fine_tuning import FineTuningConfig
from pipeline.recipe.objective import LOSSES, METRICS, MINIMISED, NamedObject, named
from pipeline.recipe.schedule import Constant, ScheduleConfig

ClassName = Annotated[str, BeforeValidator(str)]
"""Name of a class; YAML may read it as a number."""


Positive = Annotated[int, Field(ge=1)]

MIN_DIAGNOSED = 5
"""Epochs below which a training is too short to be called sick."""


class OptimizerConfig(Section):
    """A Keras optimiser by name, with any of its arguments.

    Decoupled weight decay (`weight_decay`) leaves biases, norm parameters and all other vectors alone, unless
    `train.weight_decay_on` says otherwise.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Any]

    type: str = "adam"
    """Keras name: adam, adamw, sgd, rmsprop, ..."""
    learning_rate: float = Field(1e-3, gt=0)
    """Peak learning rate; the schedule is relative to it."""


class ClipConfig(Section):
    """What gradients are clipped to before each update; one of the three."""

    value: float | None = Field(None, gt=0)
    """Largest absolute value of an element."""
    norm: float | None = Field(None, gt=0)
    """Largest L2 norm of the gradient of one variable."""
    global_norm: float | None = Field(None, gt=0)
    """Largest L2 norm of all gradients together (Pascanu et al. 2013); keeps their direction."""


class Ema(Section):
    """An exponential moving average of the weights is validated and kept (Polyak and Juditsky 1992)."""

    type: Literal["ema"]
    """Kind of average."""
    momentum: float = Field(0.99, gt=0, lt=1)
    """Share of the average that stays at each update: average = momentum * average + (1 - momentum) * weights."""


class Swa(Section):
    """The mean of the weights at the ends of the last epochs is kept: SWA, Izmailov et al. 2018.

    Batch-norm statistics are estimated again for it, on the training split. It works best with a learning rate that
    stays high: `learning_rate`, a constant schedule, or one with a `final_fraction`.
    """

    type: Literal["swa"]
    """Kind of average."""
    start: float = Field(0.75, ge=0, lt=1)
    """Share of the epochs that is trained before averaging begins."""
    learning_rate: float | None = Field(None, gt=0)
    """Constant rate from the start of averaging on, in place of the schedule's; null: the schedule goes on."""


AveragingConfig = Annotated[Ema | Swa, Field(discriminator="type")]


class SamConfig(Section):
    """Sharpness-aware minimisation: gradients are taken where the loss is highest nearby (Foret et al. 2021).

    Each step costs two passes.
    """

    rho: float = Field(0.05, gt=0)
    """How far away that is: the L2 norm of the change of the weights."""


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
    stop_after_epochs: int | None = Field(None, ge=1)
    """Epochs after which training pauses, all that is planned on `epochs` (schedules, averaging) left as it is: the
    same recipe with more of them, or without this key, goes on from there to the bit. null: it never pauses."""
    budget: str | None = None
    """Time that the stage may take, such as 90s, 20m or 1h30m: steps are measured first, as many epochs as fit take the
    place of `epochs`, and schedules end with the last of them. null: `epochs` decides."""
    fine_tuning: FineTuningConfig | None = None
    """What comes after these epochs in transfer learning (`model.type: transfer`); null: the pretrained part stays as
    it was."""
    optimizer: OptimizerConfig = OptimizerConfig()
    """A Keras optimiser by name, with its arguments."""
    schedule: ScheduleConfig = Constant()
    """How the learning rate moves over the run; without a `type` it is constant, but for a warmup."""
    reduce_on_plateau: ReduceOnPlateauConfig | None = None
    """When to lower the learning rate because a metric no longer improves; with a constant schedule only."""
    clip: ClipConfig | None = None
    """What gradients are clipped to; null: they are not."""
    accumulate_steps: int = Field(1, ge=1)
    """Batches whose mean gradient makes one update: as a batch that many times as large, in the memory of one. Epochs
    and schedules go on counting batches; batch norm goes on seeing single ones."""
    sam: SamConfig | None = None
    """Sharpness-aware minimisation; null: plain gradients."""
    weight_decay_on: Literal["kernels", "all"] = "kernels"
    """What `weight_decay` of the optimiser shrinks; kernels: all but biases, norm parameters and other vectors (Goyal
    et al. 2017); all: these too."""
    averaging: AveragingConfig | None = None
    """Which average of the weights is kept instead of the last ones; null: none."""
    early_stopping: EarlyStoppingConfig | None = None
    """When to stop before the last epoch; null: never, and the last weights are kept."""
    loss: NamedObject = "auto"
    """Keras name of the loss, or {type: name, argument: value}; auto: cross-entropy for classes, mean squared error for
    regression. Focal losses (Lin et al. 2017): binary_focal_crossentropy, categorical_focal_crossentropy."""
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    """Share of each label that is spread evenly over the classes (Szegedy et al. 2016); also in the validation loss."""
    class_weights: Literal["balanced"] | dict[ClassName, Any] | None = None
    """Weight of the examples of each class in the training loss: {class: weight}, where classes not named weigh 1;
    balanced: the inverse of their share of the training split, 1 on average; null: all weigh 1. The label that
    dominates decides where labels are mixed."""
    metrics: Annotated[tuple[NamedObject, ...], Field(strict=False, min_length=1)] | None = None
    """Computed in each epoch beside the loss: Keras names, or {type: name, argument: value}; null: accuracy, or mae.
    Classes: accuracy, top_k_categorical_accuracy (`k`), auc, precision, recall, f1_score (`average`: macro, micro,
    weighted), binary_crossentropy, categorical_crossentropy. Values: mae, mse, rmse, mape, r2_score."""
    precision: Literal["auto", "float32", "mixed_float16", "mixed_bfloat16"] = "auto"
    """Keras dtype policy; auto: mixed_float16 on a GPU that has tensor cores, else float32."""
    strategy: Literal["none", "mirrored"] = "none"
    """How the devices of this machine share each batch; none: one does all; mirrored: two or more GPUs take equal
    shares (`tf.distribute.MirroredStrategy`). `data.batch_size` is that of all together; batch norm sees each share
    alone."""
    on_sick: Literal["ignore", "warn", "stop", "repair"] = "warn"
    """What to do about a training that does not learn (docs/diagnosis.md): warn: say what is wrong, in which layer and
    what to change; stop: end it then as well, with all its phases; repair: try changes in runs of their own, and go on
    with what is proven better on validation; ignore: do not look. Trainings of fewer than 5 epochs are not judged."""
    checkpoint: CheckpointConfig = CheckpointConfig()
    """When a training is saved, so that it can be killed and go on."""
    deterministic: bool = True
    """Whether the same recipe on the same machine gives bit-identical weights."""
    batch_size: Literal["auto"] | Positive | None = None
    """Examples that the network takes at once: a divisor of `data.batch_size`, the parts of which are accumulated to
    one update. null: the whole batch; auto: the largest part that fits into memory, tried in a process of its own.
    Batch norm and mixing see the parts."""
    steps_per_execution: Literal["auto"] | Positive = 1
    """Steps that TensorFlow runs before it comes back to Python (Keras `steps_per_execution`): a divisor of the steps
    of an epoch; changes no bit. auto: the fastest, by measurement."""
    jit_compile: Literal["auto"] | bool = False
    """Whether XLA compiles the training step (Keras `jit_compile`); needs `deterministic: false`. XLA draws masks of
    dropout of its own. auto: where it is measured to be faster and the loss stays the same within 0.1 %; with
    `deterministic: true` never."""
    threads: Literal["auto"] | Positive | None = None
    """Threads that one operation is spread over on the CPU; null: as many as there are cores. Their number changes the
    last bits. auto: the fastest, by measurement; with `deterministic: true`, as null."""


def monitors(section: TrainConfig, task: str) -> tuple[str, ...]:
    """The values of an epoch that early stopping can watch."""
    computed = ("loss", *(named(metric)[0] for metric in section.metrics or (METRICS[task],)))
    return (*computed, *(f"val_{name}" for name in computed))


def trained_epochs(section: TrainConfig) -> int:
    """How many of the planned epochs are trained."""
    return min(section.epochs, section.stop_after_epochs or section.epochs)


def first_averaged_epoch(averaging: Swa, epochs: int) -> int:
    """The first epoch, from 0, whose end counts in the mean."""
    return int(averaging.start * epochs)


def direction(monitor: str) -> Literal["max", "min"]:
    """Whether a larger or a smaller value of what is watched is better."""
    return "min" if monitor.removeprefix("val_") in MINIMISED else "max"


def resolve(section: TrainConfig, task: str) -> TrainConfig:
    """Fills the loss of the task in and checks what can be checked only once the task is known.

    Raises:
        UserError: If the task has no such loss, or no such metric to watch.
    """
    loss, _ = named(section.loss)
    if loss not in ("auto", *LOSSES[task]):
        raise UserError(
            f"train.loss: expected one of auto, {', '.join(LOSSES[task])} for a {task} task. Received: {loss!r}"
        )
    for key in ("early_stopping", "reduce_on_plateau"):
        watching, computed = getattr(section, key), monitors(section, task)
        if watching is not None and watching.monitor not in computed:
            raise UserError(
                f"train.{key}.monitor: expected one of {', '.join(computed)} for a {task} task. "
                f"Received: {watching.monitor!r}"
            )
    if loss != "auto":
        return section
    return TrainConfig.model_validate({**section.model_dump(), "loss": LOSSES[task][0]})


def step_by_step(section: TrainConfig) -> TrainConfig:
    """The section for what looks at every single step, or is to be measured: nothing is left to measurement in it."""
    jit_compile = section.jit_compile is True
    return TrainConfig.model_validate(
        {
            **section.model_dump(),
            "steps_per_execution": 1,
            "jit_compile": jit_compile,
            "threads": given_threads(section),
        }
    )


def given_threads(section: TrainConfig) -> int | None:
    """The number of threads that the recipe gives; None: TensorFlow's own, or what a measurement says."""
    return section.threads if isinstance(section.threads, int) else None
