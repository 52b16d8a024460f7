"""How training steps are run: compiled by XLA or not, how many at once, on how many threads. Chosen by measurement."""

import os
import warnings
from dataclasses import dataclass, replace
from typing import Any

import psutil
import tensorflow as tf

from pipeline.compute.probe import probe
from pipeline.compute.quantities import duration
from pipeline.compute.threads import can_set_threads
from pipeline.compute.timing import NUM_MEASURED, StepTime, run_steps, steady
from pipeline.errors import UserError
from pipeline.recipe.train import TrainConfig, step_by_step
from pipeline.training.assemble import assemble
from pipeline.training.setup import TrainingSetup

GAIN = 1.05
"""How many times as fast as the plain way another one must be to be chosen."""

LOSS_TOLERANCE = 1e-3
"""Relative difference that XLA may make to the mean loss of the measured steps."""

MOST_AT_ONCE = (4, 16, 64)
"""Steps of one execution to try: of each, the largest divisor of an epoch's steps that is no more."""


@dataclass(frozen=True)
class Choice:
    """What was decided of one key, and why."""

    value: Any
    reason: str


def choose_threads(setup: TrainingSetup) -> Choice:
    """The number of CPU threads for one operation that makes steps fastest; measured in processes of their own."""
    if setup.section.deterministic:
        return Choice(None, "deterministic: true keeps the bits, and another number of threads would change them")
    if not can_set_threads():
        return Choice(None, "TensorFlow already runs in this process; `train.threads` takes effect from its start only")
    cores = psutil.Process().cpu_affinity() if hasattr(psutil.Process, "cpu_affinity") else None
    most = len(cores) if cores else os.cpu_count() or 1
    found: dict[Any, float] = {}
    for count in sorted({1, max(most // 2, 1), most}, reverse=True):
        section = TrainConfig.model_validate(step_by_step(setup.section).model_dump() | {"threads": count})
        probed = probe(replace(setup, section=section), NUM_MEASURED)
        if probed:
            found[count] = probed.step.median
    return _fastest(found, most)


def choose_jit_compile(setup: TrainingSetup) -> Choice:
    """Whether XLA makes steps faster without changing the loss beyond `LOSS_TOLERANCE`."""
    if setup.section.deterministic:
        return Choice(False, "deterministic: true keeps the bits, and XLA would change them")
    plain, plain_loss = _measured(setup, jit_compile=False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras says what the error says.
            compiled, compiled_loss = _measured(setup, jit_compile=True)
    except (UserError, tf.errors.OpError) as error:
        return Choice(False, f"XLA cannot compile it: {str(error).splitlines()[0]}")
    difference = abs(compiled_loss / plain_loss - 1) if plain_loss else abs(compiled_loss)
    if not difference <= LOSS_TOLERANCE:
        return Choice(False, f"XLA changes the loss by {difference:.2g} of it (at most {LOSS_TOLERANCE:g})")
    return _fastest({False: plain.median, True: compiled.median}, False)


def choose_steps_per_execution(setup: TrainingSetup, steps_per_epoch: int) -> Choice:
    """How many steps at once make steps fastest; changes no bit of the result."""
    sizes = dict.fromkeys(max(divisors(steps_per_epoch, most)) for most in (1, *MOST_AT_ONCE))
    if len(sizes) == 1:
        return Choice(1, f"no more than 1 divides the {steps_per_epoch} steps of an epoch")
    found = {count: _measured(setup, steps_per_execution=count)[0].median for count in sizes}
    return _fastest(found, 1)


def divisors(count: int, most: int) -> list[int]:
    """Divisors of a number, in order, up to some size."""
    return [each for each in range(1, min(count, most) + 1) if count % each == 0]


def require_whole_executions(section: TrainConfig, steps_per_epoch: int) -> None:
    """Refuses steps at once that would run over the end of an epoch.

    Raises:
        UserError: If they do not divide the steps of an epoch.
    """
    count = section.steps_per_execution
    if isinstance(count, int) and steps_per_epoch % count:
        fitting = ", ".join(map(str, divisors(steps_per_epoch, steps_per_epoch)))
        raise UserError(
            f"train.steps_per_execution: expected a divisor of the {steps_per_epoch} steps of an epoch: {fitting}. "
            f"Received: {count}"
        )


def _measured(setup: TrainingSetup, **changed: Any) -> tuple[StepTime, float]:
    """Time of a step and mean loss, of the same steps from the same weights each time."""
    section = TrainConfig.model_validate(step_by_step(setup.section).model_dump() | changed)
    assembled = assemble(replace(setup, section=section))
    timer = run_steps(assembled)
    return StepTime(steady(timer).secs / assembled.learner.steps_per_execution), timer.loss


def _fastest(found: dict[Any, float], plain: Any) -> Choice:
    """The plain way, unless another one is faster by `GAIN`."""
    measured = "measured " + ", ".join(f"{str(each).lower()}: {duration(secs)} a step" for each, secs in found.items())
    best = min(found, key=lambda each: found[each])
    return Choice(best if found[best] * GAIN <= found[plain] else plain, measured)
