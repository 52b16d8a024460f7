"""Combinations that cannot work, found before anything runs."""

from collections.abc import Iterator
from dataclasses import dataclass

from models.config import TransferConfig
from models.knobs import Knobs
from models.spec import OUTPUT_ACTIVATIONS
from pipeline.recipe import preprocess
from pipeline.recipe.augment_checks import check_augment
from pipeline.recipe.compute_checks import check_compute
from pipeline.recipe.data import KINDS, TASKS
from pipeline.recipe.errors import Problem, nearest
from pipeline.recipe.evaluate import DEFAULTS, METRICS
from pipeline.recipe.keras_names import check_object
from pipeline.recipe.model_checks import MODEL_KINDS, check_model
from pipeline.recipe.objective import LOSSES, named
from pipeline.recipe.phases import longest_phase
from pipeline.recipe.train import MIN_DIAGNOSED
from pipeline.recipe.training_checks import check_training
from pipeline.recipe.transfer_checks import check_transfer
from pipeline.recipe.tree import Recipe
from pipeline.recipe.tune_checks import check_tune

SPLITS_OF_THEIR_OWN = ("folder", "tfds", "idx", "npz")
"""Sources that may come with splits (`split.by: source`)."""


@dataclass(frozen=True)
class Known:
    """What is known of the data: from the recipe at first, for certain once it is collected."""

    kind: str | None
    """image, table or text; None before the source is read."""
    task: str | None
    """binary, multiclass, multilabel or regression; None before the labels are read."""
    has_categories: bool | None = None
    """Whether a table has columns of categories; None before it is read."""


def check(recipe: Recipe, known: Known | None = None) -> list[Problem]:
    """Finds every impossible combination in a recipe whose keys are valid one by one.

    Args:
        recipe: The recipe.
        known: What is known of the data; by default what the recipe says.
    """
    source = recipe.data.type
    declared = TASKS.get(source, recipe.data.task)
    known = known or Known(
        KINDS.get(source),
        None if declared == "auto" else declared,
        has_categories=False if source == "breast_cancer" else None,
    )
    checks = (
        _names,
        _model,
        _split,
        _kinds,
        _task,
        _metrics,
        _training,
        _compute,
        _repair,
        _columns,
        _augment,
        _sampling,
        _transfer,
        _tune,
    )
    return [problem for find in checks for problem in find(recipe, known)]


def _names(recipe: Recipe, _: Known) -> Iterator[Problem]:
    """Names and arguments that Keras must know."""
    optimizer = recipe.train.optimizer
    given = {"learning_rate", *(optimizer.model_extra or {})}
    yield from check_object("optimizers", "train.optimizer", optimizer.type, given)


def _split(recipe: Recipe, _: Known) -> Iterator[Problem]:
    split, source = recipe.data.split, recipe.data.type
    if split.validation + split.test >= 1:
        yield Problem(
            "data.split",
            f"expected validation + test below 1, so that something is left to train on. "
            f"Received: {split.validation} + {split.test}",
        )
    if split.by in ("time", "group"):
        if KINDS.get(source) != "table" and source != "text":
            yield Problem("data.split.by", f"`{split.by}` needs a column; `type: {source}` has none")
        elif split.column is None:
            yield Problem("data.split.column", f"required with `by: {split.by}`: the column of the {split.by}")
    elif split.column is not None:
        yield Problem("data.split.column", f"has no effect with `by: {split.by}`; remove it, or use `by: time | group`")
    if split.by == "source" and source not in SPLITS_OF_THEIR_OWN:
        yield Problem(
            "data.split.by",
            f"`type: {source}` comes without splits; use hash or stratified. "
            f"Sources with splits: {', '.join(SPLITS_OF_THEIR_OWN)}",
        )


def _kinds(recipe: Recipe, known: Known) -> Iterator[Problem]:
    """Sections that must fit the kind of data."""
    kind, source = known.kind, recipe.data.type
    if kind is None:
        return
    needed = MODEL_KINDS.get(recipe.model.type, kind)
    if kind != needed:
        yield Problem("model.type", f"`{recipe.model.type}` takes {needed} data; `data.type: {source}` is {kind}")
    try:
        preprocess.resolve(recipe.preprocess, kind)
    except ValueError as error:
        key, _, message = str(error).partition(": ")
        yield Problem(key, message)


def _task(recipe: Recipe, known: Known) -> Iterator[Problem]:
    """Task and output activation belong together, and the loss where the task is not known."""
    task, given = known.task, recipe.data.task
    if given not in ("auto", task):
        yield Problem("data.task", f"`data.type: {recipe.data.type}` is a {task} task. Received: {given!r}")
    loss, activation = named(recipe.train.loss)[0], recipe.model.output_activation
    if task:
        if activation not in ("auto", OUTPUT_ACTIVATIONS[task]):
            yield Problem(
                "model.output_activation",
                f"expected auto or {OUTPUT_ACTIVATIONS[task]} for a {task} task. Received: {activation!r}",
            )
    elif loss != "auto" and activation != "auto":
        fitting = sorted({OUTPUT_ACTIVATIONS[t] for t, losses in LOSSES.items() if loss in losses})
        if activation not in fitting:
            yield Problem(
                "model.output_activation",
                f"expected {' or '.join(fitting)} with train.loss {loss}. Received: {activation!r}",
            )


def _metrics(recipe: Recipe, known: Known) -> Iterator[Problem]:
    """Metrics exist, the task has them, and what a gate needs is computed."""
    task, named, gate = known.task, recipe.evaluate.metrics, recipe.register_.gate
    asked = [(f"evaluate.metrics.{i}", name) for i, name in enumerate(named or ())]
    asked += [(f"register.gate.{name}", name) for name in gate]
    computed = named or (DEFAULTS[task] if task else METRICS)
    for key, name in asked:
        if name not in METRICS:
            yield Problem(key, f"expected a metric: {', '.join(METRICS)}. Received: {name!r}{nearest(name, METRICS)}")
        elif task and task not in METRICS[name]:
            having = ", ".join(metric for metric, tasks in METRICS.items() if task in tasks)
            yield Problem(key, f"a {task} task has no `{name}`. It has: {having}")
        elif name not in computed and set(computed) <= set(METRICS):
            yield Problem(key, f"not among evaluate.metrics ({', '.join(computed)}); add it there")


def _model(recipe: Recipe, known: Known) -> Iterator[Problem]:
    yield from check_model(recipe.model, known.kind, has_categories=known.has_categories)
    changed = {
        "data.sampling": recipe.data.sampling != "natural",
        "train.class_weights": recipe.train.class_weights is not None,
    }
    if isinstance(recipe.model, Knobs) and recipe.model.output_bias == "priors":
        for key in (key for key, is_changed in changed.items() if is_changed):
            yield Problem("model.output_bias", f"priors are of the training split as it is; `{key}` changes them")


def _training(recipe: Recipe, known: Known) -> Iterator[Problem]:
    return check_training(recipe.train, known.task)


def _compute(recipe: Recipe, _: Known) -> Iterator[Problem]:
    transfer = isinstance(recipe.model, TransferConfig)
    return check_compute(recipe.train, batch_size=recipe.data.batch_size, transfer=transfer)


def _repair(recipe: Recipe, _: Known) -> Iterator[Problem]:
    """What is to be repaired is diagnosed."""
    train = recipe.train
    if train.on_sick != "repair":
        return
    if train.strategy != "none":
        yield Problem(
            "train.on_sick",
            f"`repair` needs a diagnosis, which looks at one device; expected another value with `train.strategy: "
            f"{train.strategy}`, or `strategy: none`",
        )
    elif train.budget is None and longest_phase(train) < MIN_DIAGNOSED:
        yield Problem(
            "train.on_sick",
            f"`repair` needs a diagnosis, and trainings of fewer than {MIN_DIAGNOSED} epochs are not judged. "
            f"Received: {longest_phase(train)} epochs. Train longer, or use warn",
        )


def _augment(recipe: Recipe, known: Known) -> Iterator[Problem]:
    return check_augment(recipe, kind=known.kind, task=known.task)


def _transfer(recipe: Recipe, known: Known) -> Iterator[Problem]:
    return check_transfer(recipe.model, recipe.train, recipe.preprocess, known.task)


def _sampling(recipe: Recipe, known: Known) -> Iterator[Problem]:
    if recipe.data.sampling == "balanced" and known.task in ("multilabel", "regression"):
        yield Problem(
            "data.sampling",
            f"`balanced` needs one class an example; a {known.task} task has none. Use natural",
        )
    if recipe.data.sampling == "balanced" and recipe.train.class_weights == "balanced":
        yield Problem(
            "train.class_weights", "`balanced` beside `data.sampling: balanced` counts rare classes twice; keep one"
        )


def _tune(recipe: Recipe, known: Known) -> Iterator[Problem]:
    return check_tune(recipe, known.task)


def _columns(recipe: Recipe, _: Known) -> Iterator[Problem]:
    """Columns of a table named twice over."""
    data = recipe.data
    if data.type not in ("csv", "parquet"):
        return
    labels = (data.label,) if isinstance(data.label, str) else data.label
    for i, column in enumerate(data.ignore):
        if column in labels:
            yield Problem(f"data.ignore.{i}", f"`{column}` is the label; it cannot be ignored")
    for column in data.columns:
        if column in labels or column in data.ignore:
            yield Problem(f"data.columns.{column}", "the label and ignored columns have no type to override")
