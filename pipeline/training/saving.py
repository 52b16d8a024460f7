"""Saves a training while it runs: when a checkpoint is due, by whom it is written, where a training goes on."""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.journal import Journal
from pipeline.recipe.checkpoint import CheckpointConfig
from pipeline.training.arithmetic import adopt, arithmetic, differences
from pipeline.training.checkpoint import Checkpoint, Checkpoints, Place
from pipeline.training.interruption import Interruption, TrainingStoppedError
from pipeline.training.state import TrainingState
from pipeline.training.trail import Trail

FOLDER = "checkpoints"
"""In the folder of the stage."""


class Saver:
    """Writes checkpoints of one training, in the background, and knows the one to go on from.

    A disk that takes no checkpoint does not end a training: it goes on, says so, and the last whole one stays.

    Args:
        section: When one is due.
        folder: Of the stage.
        journal: Is told where a training goes on, and what could not be written.
        interruption: Signals that ask for a stop.
        trail: Takes the hashes.

    Attributes:
        trail: Hashes of chosen steps.
        found: The checkpoint to go on from; None: the training begins.
        carried: What every checkpoint holds beside the state of the learner: arrays, and facts as JSON has them.
    """

    def __init__(
        self, section: CheckpointConfig, folder: Path, journal: Journal, interruption: Interruption, trail: Trail
    ):
        self._section, self._journal, self._interruption, self.trail = section, journal, interruption, trail
        self._checkpoints = Checkpoints(folder / FOLDER)
        self._writer = ThreadPoolExecutor(1, "checkpoint")
        self._pending: Future[None] | None = None
        self._saved_at = time.monotonic()
        self._steps = self._step = 0
        self._is_full = False
        self.carried: tuple[dict[str, np.ndarray], dict[str, Any]] = {}, {}
        self.found = self._checkpoints.latest(journal.say)
        if self.found:
            journal.say(f"goes on from {self.found.place}")
            adopt(self.found.facts["arithmetic"])
            trail.footprints = self.found.facts["trail"]
        self._arithmetic = arithmetic()
        if self.found:
            for change in differences(self.found.facts["arithmetic"], self._arithmetic):
                journal.say(f"warning: {change}: the last bits of what is learned from here on may differ")

    def passed(self, state: TrainingState, place: Place) -> None:
        """Saves the training where it is due, and ends it where that was asked for.

        Args:
            state: Of the training.
            place: Where it is.

        Raises:
            TrainingStoppedError: If a signal came; the state is on disk then.
        """
        self._steps += max(0, place.step - self._step)
        self._step = place.step
        number = self._interruption.number
        if number is None and not self._is_due(place):
            return
        if number is None and self._pending and not self._pending.done():
            return  # The disk is slower than the section asks for.
        self.save(state, place)
        if number is not None:
            self.close()
            raise TrainingStoppedError(number, self._farewell(place))

    @property
    def conditions(self) -> dict[str, Any]:
        """What a replay compares: on what the arithmetic depends, and the hashes so far."""
        return {"arithmetic": self._arithmetic, "trail": self.trail.footprints}

    def start(self, phase: int) -> Checkpoint | None:
        """The checkpoint to go on from within a phase; None: the phase begins."""
        return self.found if self.found and self.found.place.phase == phase else None

    def save(self, state: TrainingState, place: Place) -> None:
        """Takes the state now and writes it in the background."""
        self.finish()
        arrays, facts = self.carried
        read = state.take(place, arrays, facts | self.conditions)
        self._saved_at, self._steps = time.monotonic(), 0
        self._pending = self._writer.submit(lambda: self._checkpoints.save(read()))

    def finish(self) -> None:
        """Waits for the checkpoint that is being written; says, once, if the disk does not take it."""
        if self._pending is None:
            return
        pending, self._pending = self._pending, None
        try:
            pending.result()
            self._is_full = False
        except OSError as error:
            if not self._is_full:
                self._journal.say(
                    f"warning: no checkpoint could be written ({error.strerror}); training goes on, the last whole "
                    "checkpoint stays"
                )
            self._is_full = True

    def close(self) -> None:
        """Waits, and ends the threads that hash and write."""
        self.finish()
        self.trail.close()
        self._writer.shutdown()

    def end(self) -> None:
        """Removes all checkpoints but that of the end, or that too where it is not to be kept."""
        self._checkpoints.keep_last(1 if self._section.keep else 0)

    def _is_due(self, place: Place) -> bool:
        section = self._section
        if section.every_secs is not None and time.monotonic() - self._saved_at >= section.every_secs:
            return True
        if section.every_steps is not None and self._steps >= section.every_steps:
            return True
        return section.every_epochs is not None and not place.step and place.epoch % section.every_epochs == 0

    def _farewell(self, place: Place) -> str:
        if self._is_full:
            return "stopped; no checkpoint could be written: the same command goes on from the last whole one"
        return f"stopped at {place}, and saved: the same command goes on from there"
