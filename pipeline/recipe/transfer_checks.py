"""Combinations of transfer learning that cannot work, or would not do what they say."""

from collections.abc import Iterator

from models.config import ModelConfig, TransferConfig
from pipeline.recipe.errors import Problem
from pipeline.recipe.phases import phase_sections
from pipeline.recipe.preprocess import PreprocessConfig
from pipeline.recipe.train import TrainConfig
from pipeline.recipe.training_checks import check_training


def check_transfer(
    model: ModelConfig, train: TrainConfig, preprocess: PreprocessConfig, task: str | None
) -> Iterator[Problem]:
    """Finds every impossible combination of a pretrained network, its phases and its input.

    Args:
        model: The recipe's `model` section.
        train: The recipe's `train` section.
        preprocess: The recipe's `preprocess` section.
        task: None while it is not known.
    """
    if isinstance(model, TransferConfig):
        yield from _network(model, preprocess)
        if train.precision.startswith("mixed"):
            yield Problem(
                "train.precision",
                f"a pretrained network computes in the precision it was saved with; use auto or float32. "
                f"Received: {train.precision!r}",
            )
        if train.strategy != "none":
            yield Problem("train.strategy", f"`{train.strategy}` is not tried with `model.type: transfer`; use none")
    elif train.fine_tuning:
        yield Problem("train.fine_tuning", f"has no effect with `model.type: {model.type}`; it is for transfer alone")
    if train.fine_tuning:
        yield from _phases(train, task)


def _network(model: TransferConfig, preprocess: PreprocessConfig) -> Iterator[Problem]:
    if model.weights is not None and not model.application:
        yield Problem("model.weights", f"has no effect with `source: {model.source}`, which brings its own; remove it")
    if model.input_noise:
        yield Problem("model.input_noise", "has no place before a frozen network; use `augment: [{type: noise}]`")
    if preprocess.normalize not in ("auto", "unit") and not model.source.endswith(".keras"):
        yield Problem(
            "preprocess.normalize",
            f"has no effect with `model.source: {model.source}`, which brings its own normalisation; remove it",
        )


def _phases(train: TrainConfig, task: str | None) -> Iterator[Problem]:
    tuning = train.fine_tuning
    assert tuning is not None
    if tuning.from_layer is not None and tuning.fraction is not None:
        yield Problem("train.fine_tuning.fraction", "given beside `from_layer`; keep one of the two")
    if tuning.gradual_steps > tuning.epochs:
        yield Problem(
            "train.fine_tuning.gradual_steps",
            f"expected no more than train.fine_tuning.epochs ({tuning.epochs}). Received: {tuning.gradual_steps}",
        )
        return
    head, *steps = phase_sections(train)
    known = {problem.key for problem in check_training(head, task)}
    for problem in check_training(steps[0], task):
        if problem.key not in known:
            rest = problem.key.removeprefix("train.")
            yield Problem(
                "train.fine_tuning", f"`{rest}` does not fit a phase of {steps[0].epochs} epochs: {problem.message}"
            )
