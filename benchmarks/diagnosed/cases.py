"""What a case of `benchmarks/diagnosis.py` is: a training of which it is known whether it is sick, and of what."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np
import tensorflow as tf

Outcome = Literal["good", "borderline", "bad"]

RECENT = 5
"""Epochs whose mean score counts as what a training has reached."""


@dataclass(frozen=True)
class Data:
    """Examples of a case: features `(n, ...)`, and labels as the losses take them."""

    x: np.ndarray
    y: np.ndarray
    x_val: np.ndarray
    y_val: np.ndarray

    def num_steps(self, batch_size: int) -> int:
        """Batches of an epoch."""
        return -(-len(self.x) // batch_size)

    def training(self, batch_size: int, seed: int) -> tf.data.Dataset:
        """Endless batches; the order of each epoch is a function of the seed and the epoch."""
        num_steps = self.num_steps(batch_size)
        x, y = tf.constant(self.x), tf.constant(self.y)

        def batch(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            order = tf.random.experimental.stateless_shuffle(tf.range(len(self.x)), [seed, step // num_steps])
            rows = order[(step % num_steps) * batch_size : (step % num_steps + 1) * batch_size]
            return tf.gather(x, rows), tf.gather(y, rows)

        return tf.data.Dataset.range(2**31).map(lambda step: batch(tf.cast(step, "int32")))

    def validation(self) -> tf.data.Dataset:
        """All validation examples as one batch."""
        return tf.data.Dataset.from_tensors((self.x_val, self.y_val)).cache()


@dataclass(frozen=True)
class Case:
    """One training that can be made, with what is known of it."""

    id: str
    batch_size: int
    epochs: int
    build: Callable[[int], keras.Model]
    """From the seed of the initial weights to a compiled model."""
    data: Callable[[], Data]
    metric: str = "val_accuracy"
    """Of `fit`'s history: what is scored."""
    chance: float = 0.0
    """Score of guessing."""
    reference: float = 1.0
    """Score of a good network."""
    sick: bool | None = None
    """Whether it is, by construction; None: that is for each training to tell by what it reaches."""
    fault: str = ""
    """What was planted, in a word; nothing where nothing was, or where nobody knows."""
    symptoms: frozenset[str] = frozenset()
    """Symptoms that are right of it."""
    planted: frozenset[str] = frozenset()
    """Those among them that the fault must have."""
    faulty_layers: Sequence[int] = ()
    """Place of the layer at fault among those with a kernel; none: unknown, or not one layer."""
    mendable: bool = True
    """Whether some change is known to help, or none is known not to."""
    group: str = ""
    """Where it is from."""

    def skill(self, scores: Sequence[float], *, broken: bool = False) -> float:
        """What a training has reached, from 0 (guessing) to 1 (a good network); 0 for a broken one."""
        if broken or not scores:
            return 0.0
        return (statistics.mean(scores[-RECENT:]) - self.chance) / (self.reference - self.chance)

    def outcome(self, scores: Sequence[float], *, broken: bool) -> Outcome:
        """Whether a training went well, whatever is said of it."""
        if self.sick is not None:
            return "bad" if self.sick else "good"
        skill = self.skill(scores, broken=broken)
        return "bad" if skill < 0.7 else "good" if skill >= 0.9 else "borderline"
