"""Some steps of a training in a process of its own: running out of memory, or being killed for it, costs nothing here.

`python -m pipeline.compute.probe` is that process: it reads what to try from its standard input.
"""

import json
import pickle
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from pipeline.compute.memory import limit_memory, peak_bytes
from pipeline.compute.threads import set_threads
from pipeline.compute.timing import StepTime, time_training, time_validation
from pipeline.errors import UserError
from pipeline.training.assemble import assemble
from pipeline.training.setup import TrainingSetup

NO_MEMORY = 3
"""Exit code where memory does not suffice."""

MISTAKE = 2
"""Exit code for a mistake in the recipe; the message is on the standard error."""

OUT_OF_MEMORY = (tf.errors.ResourceExhaustedError, tf.errors.AbortedError, MemoryError)
"""What TensorFlow raises; the second one is of oneDNN, which names no reason."""


@dataclass(frozen=True)
class Probed:
    """What the steps took."""

    step: StepTime
    peak_bytes: int
    """The most memory that was taken, libraries included."""


class ProbeError(RuntimeError):
    """The process failed, and not for want of memory; the message ends with its traceback."""


def probe(setup: TrainingSetup, num_steps: int, *, memory_bytes: int | None = None) -> Probed | None:
    """Trains and validates for some steps in a fresh Python process.

    Args:
        setup: What to train.
        num_steps: Steps of each to measure, after those that warm up.
        memory_bytes: What the process may take beside libraries; None: as much as the machine gives.

    Returns:
        What the steps took; None if memory did not suffice.

    Raises:
        UserError: For a mistake in the recipe.
        ProbeError: If the process failed otherwise.
    """
    asked = pickle.dumps((setup, num_steps, memory_bytes))
    done = subprocess.run([sys.executable, "-m", __name__], input=asked, capture_output=True, check=False)
    # A negative code is a signal: Linux kills who takes too much, and libraries abort that are refused more.
    if done.returncode == NO_MEMORY or done.returncode < 0:
        return None
    said = done.stderr.decode().strip()
    if done.returncode == MISTAKE:
        raise UserError(said.splitlines()[-1])
    if done.returncode:
        raise ProbeError(f"A process that tried some steps failed:\n{said}")
    answered = json.loads(done.stdout.splitlines()[-1])
    return Probed(StepTime(np.array(answered["secs"])), answered["peak_bytes"])


def try_steps(setup: TrainingSetup, num_steps: int) -> Probed | None:
    """The same in this process; None if TensorFlow said that memory did not suffice."""
    try:
        assembled = assemble(setup)
        step = time_training(assembled, num_steps)
        time_validation(assembled, num_steps)
    except OUT_OF_MEMORY:
        return None
    return Probed(step, peak_bytes())


def answer() -> None:
    """Runs in the fresh process: reads what to try, prints what it took."""
    setup, num_steps, memory_bytes = pickle.load(sys.stdin.buffer)
    set_threads(setup.section.threads)
    if memory_bytes is not None:
        limit_memory(memory_bytes)
    try:
        probed = try_steps(setup, num_steps)
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(MISTAKE)
    if probed is None:
        sys.exit(NO_MEMORY)
    print(json.dumps({"secs": probed.step.secs.tolist(), "peak_bytes": probed.peak_bytes}))


if __name__ == "__main__":
    answer()
