"""Combinations of the `train` section that cannot work, or would not do what they say."""

import math
from collections.abc import Iterable, Iterator, Mapping

from models.keras_api import arguments
from pipeline.recipe.errors import Problem, nearest
from pipeline.recipe.objective import DECIDED_HERE, KERAS_METRICS, LOSSES, METRICS, NamedObject, named
from pipeline.recipe.schedule import (
    MOMENTUM,
    Constant,
    CosineRestarts,
    OneCycle,
    Step,
    momentum_argument,
    period_epochs,
)
from pipeline.recipe.train import Swa, TrainConfig, first_averaged_epoch, monitors

ELSEWHERE = {
    "use_ema": "`train.averaging: {type: ema}`, which also validates the average",
    "ema_momentum": "`train.averaging: {type: ema, momentum: ...}`",
    "ema_overwrite_frequency": "`train.averaging: {type: ema}`",
    "gradient_accumulation_steps": "`train.accumulate_steps`",
    "loss_scale_factor": "`train.precision: mixed_float16`, which scales the loss by itself",
    "name": "`name` at the top of the recipe; that of an optimiser does nothing",
}
"""Arguments of Keras optimisers to the keys that stand for them."""

DECAYING = ("adamw", "muon")
"""Keras optimisers that decay weights also where no `weight_decay` is given."""

PERIODS = {"step": ("every_epochs", "every_steps"), "cosine_restarts": ("first_epochs", "first_steps")}
"""Keys of a schedule's period, in epochs and in steps."""


def check_training(section: TrainConfig, task: str | None) -> Iterator[Problem]:
    """Finds every impossible combination within the section, and with the task.

    Args:
        section: The recipe's `train` section, its keys valid one by one.
        task: None while it is not known.
    """
    yield from _optimizer(section)
    yield from _weight_decay(section)
    yield from _averaging(section)
    yield from _strategy(section)
    yield from _loss(section, task)
    yield from _class_weights(section, task)
    yield from _metrics(section, task)
    yield from _schedule(section)
    yield from _plateau(section)
    yield from _monitors(section, task)
    yield from _pause(section)


def _pause(section: TrainConfig) -> Iterator[Problem]:
    """What stops early knows when."""
    for key, reason in (("fine_tuning", "has phases of its own"), ("budget", "decides the epochs")):
        if section.stop_after_epochs is not None and getattr(section, key) is not None:
            yield Problem("train.stop_after_epochs", f"expected null: `train.{key}` {reason}")


def _optimizer(section: TrainConfig) -> Iterator[Problem]:
    """The optimiser can be built from a recipe, and nothing of it is given twice."""
    optimizer, clip = section.optimizer, section.clip
    given = optimizer.model_extra or {}
    name = optimizer.type.replace("_", "").lower()
    if name in ("lossscaleoptimizer", "multioptimizer"):
        yield Problem("train.optimizer.type", f"`{optimizer.type}` wraps other optimisers: name the inner one instead")
    for argument in sorted(given.keys() & ELSEWHERE.keys()):
        yield Problem(f"train.optimizer.{argument}", f"not taken here: use {ELSEWHERE[argument]}")
    yield from _momentum(section)
    cycled = isinstance(section.schedule, OneCycle) and section.schedule.momentum
    if given.get("nesterov") and name == "sgd" and not (given.get("momentum") or cycled):
        yield Problem("train.optimizer.nesterov", "has no effect without `momentum`; give it, such as 0.9")
    if clip:
        limits = [key for key in ("value", "norm", "global_norm") if getattr(clip, key)]
        if len(limits) != 1:
            received = ", ".join(limits) or "none of them"
            yield Problem("train.clip", f"expected one of value, norm, global_norm. Received: {received}")
        for argument in ("clipvalue", "clipnorm", "global_clipnorm"):
            if argument in given:
                yield Problem(f"train.optimizer.{argument}", "given beside `train.clip`; keep one of the two")


def _momentum(section: TrainConfig) -> Iterator[Problem]:
    """The momentum that a schedule moves is in order, the optimiser has one, and nothing else gives it."""
    optimizer, schedule = section.optimizer, section.schedule
    if not isinstance(schedule, OneCycle) or schedule.momentum is None:
        return
    argument, (lowest, highest) = momentum_argument(optimizer.type), schedule.momentum
    if lowest >= highest:
        yield Problem(
            "train.schedule.momentum", f"expected the lowest and then the highest. Received: {lowest:g}, {highest:g}"
        )
    if argument is None:
        yield Problem(
            "train.schedule.momentum",
            f"`{optimizer.type}` has no momentum that could move: use one of {', '.join(MOMENTUM)}, or remove it",
        )
    elif argument in (optimizer.model_extra or {}):
        yield Problem(f"train.optimizer.{argument}", "given beside `train.schedule.momentum`; keep one of the two")


def _weight_decay(section: TrainConfig) -> Iterator[Problem]:
    """What weight decay is to shrink is said only where there is any."""
    given = (section.optimizer.model_extra or {}).get("weight_decay")
    decays = given or (given is None and section.optimizer.type.replace("_", "").lower() in DECAYING)
    if section.weight_decay_on != "kernels" and not decays:
        yield Problem("train.weight_decay_on", "has no effect without `train.optimizer.weight_decay`; give it")


def _averaging(section: TrainConfig) -> Iterator[Problem]:
    if not isinstance(section.averaging, Swa):
        return
    if section.early_stopping:
        yield Problem(
            "train.early_stopping",
            "keeps one epoch's weights, and `averaging: {type: swa}` the mean of several; drop one of them, or use ema",
        )
    first = first_averaged_epoch(section.averaging, section.epochs)
    if section.epochs - first < 2 and section.budget is None:
        yield Problem(
            "train.averaging.start",
            f"expected to leave two or more of {section.epochs} epochs to average. Received: {section.averaging.start}",
        )


def _strategy(section: TrainConfig) -> Iterator[Problem]:
    """What looks at weights or gradients between steps sees those of one device only."""
    if section.strategy == "none":
        return
    for key in ("sam", "averaging", "reduce_on_plateau", "class_weights"):
        if getattr(section, key) is not None:
            yield Problem("train.strategy", f"`{section.strategy}` is not tried with `train.{key}`; use none")
    if section.accumulate_steps > 1:
        yield Problem("train.strategy", f"`{section.strategy}` is not tried with `train.accumulate_steps`; use none")
    if isinstance(section.schedule, OneCycle) and section.schedule.momentum:
        yield Problem("train.strategy", f"`{section.strategy}` is not tried with `train.schedule.momentum`; use none")


def _loss(section: TrainConfig, task: str | None) -> Iterator[Problem]:
    """The task has such a loss, the loss such arguments, and labels are smoothed once."""
    known = ("auto", *(LOSSES[task] if task else _any(LOSSES)))
    yield from _named("losses", "train.loss", section.loss, known, task)
    name, given = named(section.loss)
    if not section.label_smoothing:
        return
    if "label_smoothing" in given:
        yield Problem("train.label_smoothing", "given beside that of `train.loss`; keep one of the two")
    if task == "regression" or "crossentropy" not in name.replace("auto", "crossentropy"):
        yield Problem("train.label_smoothing", f"needs classes: {task or name} has none to spread a label over")


def _class_weights(section: TrainConfig, task: str | None) -> Iterator[Problem]:
    if section.class_weights and task in ("multilabel", "regression"):
        yield Problem(
            "train.class_weights", f"needs examples of one class each: binary or multiclass. This task is {task}"
        )
    if isinstance(section.class_weights, dict):
        for name, weight in section.class_weights.items():
            if isinstance(weight, bool) or not isinstance(weight, int | float) or weight < 0:
                yield Problem(f"train.class_weights.{name}", f"expected a number of 0 or more. Received: {weight!r}")


def _metrics(section: TrainConfig, task: str | None) -> Iterator[Problem]:
    """The task has such metrics, and each has a name of its own."""
    known = tuple(KERAS_METRICS[task]) if task else _any(KERAS_METRICS)
    seen = set()
    for i, given in enumerate(section.metrics or ()):
        yield from _named("metrics", f"train.metrics.{i}", given, known, task)
        name, passed = named(given)
        if name in seen:
            yield Problem(f"train.metrics.{i}", f"`{name}` is named twice; keep one of the two")
        if passed.get("average", "macro") is None:
            yield Problem(f"train.metrics.{i}.average", "expected macro, micro or weighted: one number an epoch")
        seen.add(name)


def _named(group: str, key: str, given: NamedObject, known: tuple[str, ...], task: str | None) -> Iterator[Problem]:
    """A name that the task has, with arguments that Keras takes and that nothing else decides."""
    name, passed = named(given)
    if name not in known:
        where = f" for a {task} task" if task else ""
        yield Problem(key, f"expected one of {', '.join(known)}{where}. Received: {name!r}{nearest(name, known)}")
        return
    keras_name = next((names[name] for names in KERAS_METRICS.values() if name in names), name)
    taken = [each for each in arguments(group, keras_name) or () if each not in DECIDED_HERE]
    for argument in sorted(passed.keys() - set(taken)):
        guess = nearest(argument, taken) or "."
        yield Problem(
            f"{key}.{argument}", f"{name} takes no such argument{guess} It takes: {', '.join(taken) or 'none'}"
        )


def _any(table: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """The names of all tasks."""
    return tuple(dict.fromkeys(name for names in table.values() for name in names))


def _schedule(section: TrainConfig) -> Iterator[Problem]:
    """Warm-up and first drop or restart lie within the run, and each is given once."""
    # How long a run with a budget is, only a measurement says; the check comes again then.
    schedule, epochs = section.schedule, section.epochs if section.budget is None else math.inf
    if isinstance(schedule, OneCycle):
        return
    if schedule.warmup_epochs and schedule.warmup_steps:
        yield Problem("train.schedule.warmup_steps", "given beside `warmup_epochs`; keep one of the two")
    if schedule.warmup_epochs >= epochs:
        yield Problem(
            "train.schedule.warmup_epochs",
            f"expected fewer than train.epochs ({epochs}). Received: {schedule.warmup_epochs}",
        )
    if isinstance(schedule, Step | CosineRestarts):
        in_epochs, in_steps = PERIODS[schedule.type]
        if getattr(schedule, in_epochs) and getattr(schedule, in_steps):
            yield Problem(f"train.schedule.{in_steps}", f"given beside `{in_epochs}`; keep one of the two")
        period = period_epochs(schedule)
        if period and period >= epochs - schedule.warmup_epochs:
            yield Problem(
                f"train.schedule.{in_epochs}",
                f"has no effect: {period:g} epochs are the whole run (train.epochs: {epochs}); make it shorter",
            )


def _plateau(section: TrainConfig) -> Iterator[Problem]:
    plateau, stopping, schedule = section.reduce_on_plateau, section.early_stopping, section.schedule
    if plateau is None:
        return
    if not isinstance(schedule, Constant) or schedule.warmup_epochs or schedule.warmup_steps:
        yield Problem(
            "train.reduce_on_plateau",
            f"needs a rate that nothing else moves: `schedule: {{type: constant}}` without warm-up. "
            f"Received: {schedule.type}",
        )
    if isinstance(section.averaging, Swa) and section.averaging.learning_rate:
        yield Problem(
            "train.reduce_on_plateau", "needs a rate that nothing else moves; `averaging.learning_rate` does. Keep one"
        )
    if plateau.min_learning_rate >= section.optimizer.learning_rate:
        yield Problem(
            "train.reduce_on_plateau.min_learning_rate",
            f"expected less than train.optimizer.learning_rate ({section.optimizer.learning_rate:g}). "
            f"Received: {plateau.min_learning_rate:g}",
        )
    if (
        stopping
        and stopping.monitor == plateau.monitor
        and stopping.patience <= plateau.patience
        and stopping.min_delta >= plateau.min_delta
    ):
        yield Problem(
            "train.reduce_on_plateau.patience",
            f"expected less than train.early_stopping.patience ({stopping.patience}), or the run ends first. "
            f"Received: {plateau.patience}",
        )


def _monitors(section: TrainConfig, task: str | None) -> Iterator[Problem]:
    """What early stopping and the plateau watch is computed."""
    tasks = [task] if task else list(METRICS)
    computed = dict.fromkeys(name for each in tasks for name in monitors(section, each))
    for key in ("early_stopping", "reduce_on_plateau"):
        watching = getattr(section, key)
        if watching and watching.monitor not in computed:
            guess = nearest(watching.monitor, computed)
            yield Problem(
                f"train.{key}.monitor", f"expected one of {', '.join(computed)}. Received: {watching.monitor!r}{guess}"
            )
