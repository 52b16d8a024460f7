"""Combinations of the keys of time, memory and speed (`train.budget`, `batch_size`, ...) that cannot work."""

from collections.abc import Iterator

from pipeline.recipe.duration import duration_secs
from pipeline.recipe.errors import Problem
from pipeline.recipe.train import TrainConfig

MEASURED = ("steps_per_execution", "jit_compile", "threads")
"""Keys whose `auto` measures how fast training steps are."""


def check_compute(section: TrainConfig, *, batch_size: int, transfer: bool) -> Iterator[Problem]:
    """Finds what contradicts itself, and what TensorFlow cannot run.

    Args:
        section: The recipe's `train` section, its keys valid one by one.
        batch_size: The recipe's `data.batch_size`.
        transfer: Whether a pretrained network is trained on, in phases of its own.
    """
    yield from _budget(section)
    given = section.batch_size
    if isinstance(given, int) and batch_size % given:
        yield Problem("train.batch_size", f"expected a divisor of data.batch_size ({batch_size}). Received: {given}")
    if section.deterministic and section.jit_compile is True:
        yield Problem(
            "train.jit_compile",
            "needs `train.deterministic: false`: TensorFlow has no XLA while its operations are made deterministic",
        )
    if section.strategy != "none":
        yield from _mirrored(section)
    if transfer:
        yield from _transfer(section)


def _budget(section: TrainConfig) -> Iterator[Problem]:
    if section.budget is not None and duration_secs(section.budget) is None:
        yield Problem("train.budget", f"expected a time such as 90s, 20m or 1h30m. Received: {section.budget!r}")


def _mirrored(section: TrainConfig) -> Iterator[Problem]:
    """TensorFlow 2.21 with Keras 3.15 fails in the first two under `MirroredStrategy`."""
    strategy = section.strategy
    if section.steps_per_execution != 1:
        yield Problem(
            "train.steps_per_execution",
            f"expected 1 with `train.strategy: {strategy}`: Keras cannot run several steps at once on several devices. "
            f"Received: {section.steps_per_execution}",
        )
    if section.jit_compile is not False:
        yield Problem(
            "train.jit_compile",
            f"expected false with `train.strategy: {strategy}`: XLA cannot compile a step of several devices. "
            f"Received: {str(section.jit_compile).lower()}",
        )
    for key in ("batch_size", "budget"):
        if getattr(section, key) is not None:
            yield Problem(f"train.{key}", f"is not tried with `train.strategy: {strategy}`; use none")


def _transfer(section: TrainConfig) -> Iterator[Problem]:
    """Each phase of transfer learning has costs of its own: those of one say nothing of the next."""
    for key in ("batch_size", "budget"):
        if getattr(section, key) is not None:
            yield Problem(
                f"train.{key}", "is measured for one phase, and `model.type: transfer` has several; remove it"
            )
    for key in MEASURED:
        if getattr(section, key) == "auto":
            yield Problem(f"train.{key}", "`auto` is measured for one phase, and `model.type: transfer` has several")
