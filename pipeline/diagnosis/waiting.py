"""Whether steps wait for data: looks, now and then, if the next batch is ready when a step wants it."""

import contextlib
import math
from typing import Any

import keras
import tensorflow as tf

LOOKS = 4
"""Of an epoch: what a training waits for hardly changes, and each look takes a fraction of a millisecond."""

FEWEST_STEPS = 8
"""Of an epoch that is looked at: before, the first batches are still being prepared."""


class DataWait:
    """Reads how many batches the last prefetch of a `tf.data` pipeline holds ready, without taking any.

    TensorFlow ends every pipeline with a prefetch. The batch is fetched inside the compiled step, so that a clock
    around it cannot tell waiting from computing; an empty buffer at the beginning of a step can. Where operations are
    to be deterministic, TensorFlow prefetches nothing that a Python function makes: each step waits for its batch then,
    and is said to.

    Args:
        model: Whose `fit` runs.
        num_steps: Of an epoch; 0: unknown, nothing is looked at.
    """

    def __init__(self, model: keras.Model, num_steps: int):
        self._model = model
        quarter = max(1, num_steps // (LOOKS + 1))
        self._steps = {quarter * (i + 1) for i in range(LOOKS)} if num_steps >= FEWEST_STEPS else set()
        self._iterator: Any = None
        self._found: list[bool] = []

    def begin(self) -> None:
        """Begins an epoch: catches its iterator when the first step is given it."""
        self._found, self._iterator = [], None
        step = self._model.train_function
        if not self._steps or step is None:
            return

        def caught(iterator: Any) -> Any:
            self._iterator, self._model.train_function = iterator, step
            return step(iterator)

        self._model.train_function = caught

    def look(self, step: int) -> None:
        """Looks before a step, if it is one of those."""
        if step in self._steps and isinstance(self._iterator, tf.data.Iterator):
            with contextlib.suppress(tf.errors.OpError):
                nodes = tf.data.experimental.get_model_proto(self._iterator).nodes
                prefetches = [node for node in nodes.values() if node.name.startswith("Prefetch")]
                self._found += [max(prefetches, key=_taken).buffered_elements > 0] if prefetches else []

    def share(self) -> float:
        """Share of the looks of this epoch that found no batch ready; NaN: there were none."""
        self._iterator = None
        return 1 - sum(self._found) / len(self._found) if self._found else math.nan


def _taken(node: Any) -> int:
    return int(node.num_elements)
