"""Watches the steps of an epoch: how long one takes, and whether the next batch is ready when it wants one."""

import contextlib
import math
import time
from typing import Any

import keras
import tensorflow as tf

LOOKS = 4
"""Of an epoch: what a training waits for hardly changes, and each look takes a fraction of a millisecond."""

FEWEST_CALLS = 8
"""Of the compiled step in an epoch that is looked at: before, the first batches are still being prepared."""


class StepWatch:
    """The compiled step of a model, watched between `begin` and `end`; outside them nothing is in its way.

    It reads how many batches the last prefetch of a `tf.data` pipeline holds ready, without taking any. TensorFlow ends
    every pipeline with a prefetch. The batch is fetched inside the compiled step, so that a clock around it cannot tell
    waiting from computing; an empty buffer at the beginning of a step can. Where operations are to be deterministic,
    TensorFlow prefetches nothing that a Python function makes: each step waits for its batch then, and is said to.

    Args:
        model: Whose `fit` runs.
        num_steps: Of an epoch; 0: unknown, so that it cannot be said when to look.
    """

    def __init__(self, model: keras.Model, num_steps: int):
        self._model, self._num_steps = model, num_steps
        self._each = getattr(model, "steps_per_execution", 1)
        calls = num_steps // self._each
        quarter = max(1, calls // (LOOKS + 1))
        self._looks = {quarter * (i + 1) for i in range(LOOKS)} if calls >= FEWEST_CALLS else set()
        self._step: Any = None
        self._clear()

    def begin(self) -> None:
        """Begins to watch, at the beginning of an epoch; a model that another loop trains has no step to watch."""
        step = self._model.train_function
        while isinstance(owner := getattr(step, "__self__", None), StepWatch):
            step = owner._step  # An interrupted epoch has left it there, or another diagnosis watches as well.
        if step is not None:
            self._step, self._model.train_function = step, self._watched

    def end(self) -> tuple[float, float]:
        """Ceases to watch: the model has its own step back.

        Returns:
            Mean seconds of a step, with the wait for its batch and with what other callbacks do; share of the looks
            that found no batch ready. NaN where nothing was watched.
        """
        if self._model.train_function == self._watched:  # else it was compiled anew
            self._model.train_function = self._step
        self._step = None
        taken = self._calls * self._each
        secs = (self._ended - self._began) / min(taken, self._num_steps or taken) if taken else math.nan
        wait_share = 1 - sum(self._found) / len(self._found) if self._found else math.nan
        self._clear()
        return secs, wait_share

    def look(self, iterator: Any) -> None:
        """Looks whether the iterator of the data holds a batch ready."""
        if isinstance(iterator, tf.data.Iterator):
            with contextlib.suppress(tf.errors.OpError):
                nodes = tf.data.experimental.get_model_proto(iterator).nodes
                prefetches = [node for node in nodes.values() if node.name.startswith("Prefetch")]
                self._found += [max(prefetches, key=_taken).buffered_elements > 0] if prefetches else []

    def _clear(self) -> None:
        self._found: list[bool] = []
        self._calls, self._began, self._ended = 0, 0.0, 0.0

    def _watched(self, iterator: Any) -> Any:
        if not self._calls:
            self._began = time.perf_counter()
        if self._calls in self._looks:
            self.look(iterator)
        logs = self._step(iterator)
        self._calls, self._ended = self._calls + 1, time.perf_counter()
        return logs


def _taken(node: Any) -> int:
    return int(node.num_elements)
