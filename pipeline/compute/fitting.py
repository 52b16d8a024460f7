"""The largest part of a batch that fits into memory, and a training that accumulates such parts to the whole batch."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import tensorflow as tf

from pipeline.compute.memory import available_bytes
from pipeline.compute.probe import Probed, probe, try_steps
from pipeline.compute.quantities import size
from pipeline.errors import UserError
from pipeline.recipe.train import TrainConfig
from pipeline.training.setup import TrainingSetup

NUM_STEPS = 3
"""Steps tried of each size, after those that warm up."""

COUNTED_IN_STEPS = ("warmup_steps", "every_steps", "first_steps")
"""Keys of schedules that count batches."""


def largest_part(setup: TrainingSetup, *, memory_bytes: int | None = None) -> tuple[int, Probed]:
    """Finds how many examples of a batch the network can take at once: all, or at most half, and so on.

    Args:
        setup: What to train.
        memory_bytes: Memory that the steps may take on a CPU; by default what is free.

    Returns:
        A divisor of the batch size, and what its steps took.

    Raises:
        UserError: If not even one example fits.
    """
    allowed = available_bytes() if memory_bytes is None else memory_bytes
    for part in halved(setup.batch_size):
        probed = _try(in_parts(setup, part), allowed)
        if probed:
            return part, probed
    raise UserError(
        f"train.batch_size: expected a network that takes one example in the {size(allowed)} of memory that is free. "
        "It does not; make the network or the examples smaller"
    )


def in_parts(setup: TrainingSetup, part: int) -> TrainingSetup:
    """The same training on parts of batches, whose mean gradient makes one update.

    Where the batch does not divide an epoch, the parts of the last batch of an epoch are fewer, and the update takes
    the first ones of the next epoch with them.

    Args:
        setup: On whole batches.
        part: Examples in a part: a divisor of the batch size.
    """
    num_parts = setup.batch_size // part
    tree = setup.section.model_dump() | {"batch_size": None}
    tree["accumulate_steps"] *= num_parts
    tree["schedule"] = {key: _times(key, value, num_parts) for key, value in tree["schedule"].items()}
    return replace(setup, section=TrainConfig.model_validate(tree), batch_size=part)


def halved(batch_size: int) -> Iterator[int]:
    """Divisors of a number, each the largest one that is at most half of the one before."""
    part = batch_size
    while part > 1:
        yield part
        part = next(each for each in range(part // 2, 0, -1) if batch_size % each == 0)
    yield 1


def _try(setup: TrainingSetup, allowed: int) -> Probed | None:
    # Memory of a GPU that this process holds is closed to others, and running out of it is an error, not a kill.
    if tf.config.list_physical_devices("GPU"):
        return try_steps(setup, NUM_STEPS)
    return probe(setup, NUM_STEPS, memory_bytes=allowed)


def _times(key: str, value: Any, num_parts: int) -> Any:
    return value * num_parts if key in COUNTED_IN_STEPS and value else value
