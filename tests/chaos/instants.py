"""The instants at which SIGKILL ends a training: within what must be there whole, or anywhere.

A process is armed before it begins: it kills itself at a random line, or a random moment, of the n-th call of a
function. To the disk and to the next process that is what a kill from outside is at that instant; some come from there.
"""

import functools
import itertools
import os
import random
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import keras

from pipeline import journal
from pipeline.cache import Entry
from pipeline.training.checkpoint import Checkpoints
from pipeline.training.saving import Saver
from pipeline.training.state import TrainingState
from pipeline.transfer import phases

PROJECT = str(Path(journal.__file__).parent)

NUM_STEPS = 10
"""Steps of an epoch of the trainings that are killed."""

OUTSIDE = "anywhere"
"""From outside, at a moment between the start of the process and the time that the whole training takes."""

PLACES: dict[str, tuple[Any, str]] = {
    "a step": (Saver, "passed"),
    "checkpoint writing": (Checkpoints, "save"),
    "stage commit": (Entry, "save"),
    "journal append": (journal, "_write"),
    "torn append": (journal, "_write"),
    "validation": (keras.Model, "evaluate"),
    "restoring": (TrainingState, "restore"),
    "between phases": (phases, "unfreeze"),
}
"""Kind of instant to the function in which, or after the beginning of which, it lies."""

LINES = {"checkpoint writing": 200, "stage commit": 22, "journal append": 8, "restoring": 150}
"""About how many lines of this project run there; who has run fewer is killed when the function returns."""

LATER = 0.5
"""How often a training without a checkpoint is left alone until it has one, as there is more to go wrong after it."""

MOMENT_SECS = 0.03
"""For the other kinds: the longest time after the function is called."""


@dataclass(frozen=True)
class Left:
    """What a training that goes on still has before it."""

    epochs: int
    phases: int
    """Of transfer learning; 0 without it."""
    begun: bool
    """Whether there is a checkpoint to go on from."""


@dataclass(frozen=True)
class Instant:
    """When a process dies."""

    kind: str
    call: int
    """Which call of the function, from 1."""
    share: float
    """How far into it, in [0, 1)."""

    def arm(self, places: Mapping[str, tuple[Any, str]] = PLACES) -> None:
        """Lets this process die at the instant, if it comes so far."""
        owner, name = places[self.kind]
        function, calls = getattr(owner, name), itertools.count(1)

        @functools.wraps(function)
        def armed(*args: Any, **options: Any) -> Any:
            if next(calls) == self.call:
                return self._within(function, *args, **options)
            return function(*args, **options)

        setattr(owner, name, armed)

    def _within(self, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        if self.kind == "torn append":
            path, line = args
            with path.open("ab", buffering=0) as file:
                file.write(line[: int(self.share * len(line))])
            _die()
        if self.kind not in LINES:
            threading.Timer(self.share * MOMENT_SECS, _die).start()
            return function(*args, **options)
        _die_after(1 + int(self.share * LINES[self.kind]))
        found = function(*args, **options)
        if self.kind != "stage commit":  # which only begins here
            _die()
        return found


def draw(chance: random.Random, left: Left, num_kills: int) -> Instant | None:
    """Draws the next instant of a training; None: from outside.

    Args:
        chance: Draws.
        left: What is before the training.
        num_kills: How many more times it is to be killed, this one included.
    """
    if not left.begun and chance.random() < LATER:
        call = chance.randint(3, max(3, left.epochs * NUM_STEPS // num_kills))
        return Instant(chance.choice(["a step", "checkpoint writing"]), call, chance.random())
    kinds = ["a step", "checkpoint writing", "journal append", "torn append", "validation", OUTSIDE]
    kinds += ["restoring"] * left.begun + ["between phases"] * (left.phases > 0) * 3
    kind = chance.choice(kinds + ["stage commit"] * 2 * (num_kills == 1))
    most = {
        "a step": left.epochs * NUM_STEPS // num_kills,
        "checkpoint writing": left.epochs * NUM_STEPS // num_kills,
        "journal append": 2 + left.epochs // num_kills,
        "torn append": 2 + left.epochs // num_kills,
        "validation": left.epochs // num_kills,
        "between phases": left.phases,
    }
    call, share = chance.randint(1, max(1, most.get(kind, 1))), chance.random()
    return None if kind == OUTSIDE else Instant(kind, call, share)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _die_after(lines: int) -> None:
    """Lets this thread die when it has run so many more lines of the project."""
    left = lines

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.startswith(PROJECT):
            return None
        left -= event == "line"
        if left < 0:
            _die()
        return trace

    outer: FrameType | None = sys._getframe(1)
    while outer:
        outer.f_trace = trace
        outer = outer.f_back
    sys.settrace(trace)
