"""Trains a network on a single batch until it knows it by heart, and puts everything back."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipeline.diagnosis.before.seen import Trial
from pipeline.diagnosis.examples import distinct, num_examples
from pipeline.diagnosis.task import task_of

NUM_EXAMPLES = 32
RATES = (1e-3, 1e-2, 1e-4, 1e-1)
"""Learning rates of Adam, one after the other, each from the first weights: its default, then what a network with
small signals, with large ones, or with labels far from 0 may need."""
MAX_STEPS, STEPS_AT_ONCE = 300, 25
"""At each rate, and between two looks at the loss."""
PATIENCE_SECS = 30.0
"""Time after which no further steps are taken: the check is to take seconds."""

SOLVED_SCORE = {"values": 0.9, "labels": 0.99}
"""R² at which values count as learnt, and share of right labels where several hold; classes have to be all right."""
SOLVED_LOSS = 0.1
"""Share of the first loss that counts as learnt where the task is unknown."""


@dataclass(frozen=True)
class _Attempt:
    """How far one learning rate got."""

    rate: float
    num_steps: int
    loss: float
    score: float
    solved: bool
    unmoved: tuple[str, ...]


def overfit(model: keras.Model, x: Any, y: Any) -> Trial:
    """Trains on one batch of distinct examples, and leaves the model as it was.

    Dropout, augmentation in the model and penalties are off, since the pass is an inference; batch normalisation alone
    takes mean and variance from the batch, as it does in training.

    Args:
        model: Compiled and built; something of it trains.
        x: Examples as `fit` takes them.
        y: Their labels.
    """
    x, y = distinct(x, y, NUM_EXAMPLES)
    before = [np.array(variable) for variable in model.variables]
    attempts = list[_Attempt]()
    with _statistics_of_the_batch(model):
        batch = _Batch(model, x, y)
        for rate in RATES:
            try:
                attempts.append(batch.attempt(rate))
            finally:
                for variable, value in zip(model.variables, before, strict=True):
                    variable.assign(value)
            if attempts[-1].solved or batch.is_late:
                break
    best = max(attempts, key=lambda each: (each.solved, np.nan_to_num(each.score, nan=-1e30), -each.loss))
    return Trial(
        num_examples=num_examples(y),
        num_steps=sum(each.num_steps for each in attempts),
        rate=best.rate,
        first_loss=batch.first_loss,
        last_loss=best.loss,
        score=best.score,
        chance=batch.task.chance,
        solved=best.solved,
        in_time=best.solved or not batch.is_late,
        unmoved=best.unmoved,
    )


class _Batch:
    """A batch to be learnt by heart, with steps compiled once for all learning rates."""

    def __init__(self, model: keras.Model, x: Any, y: Any):
        self._model, self._variables = model, model.trainable_variables
        self._x, self._y = (keras.tree.map_structure(tf.convert_to_tensor, each) for each in (x, y))
        self._optimizer = keras.optimizers.Adam()
        self._optimizer.build(self._variables)
        self._fresh = [np.array(variable) for variable in self._optimizer.variables]
        self._run = self._steps if model.run_eagerly else tf.function(self._steps, autograph=False)
        self._started = time.monotonic(), time.process_time()
        self.task = task_of(model, y)
        self.first_loss = float(self._measure()[0])

    @property
    def is_late(self) -> bool:
        """Whether the time is over, on the clock and on the processor: a busy machine decides nothing."""
        now = time.monotonic(), time.process_time()
        return all(after - before > PATIENCE_SECS for after, before in zip(now, self._started, strict=True))

    def attempt(self, rate: float) -> _Attempt:
        """Trains at one learning rate, from the weights as they are and a fresh optimiser."""
        for variable, value in zip(self._optimizer.variables, self._fresh, strict=True):
            variable.assign(value)
        self._optimizer.learning_rate = rate
        before = [np.array(variable) for variable in self._variables]
        loss, score, solved, num_steps = self.first_loss, float("nan"), False, 0
        while num_steps < MAX_STEPS and np.isfinite(loss) and not solved and not self.is_late:
            loss, score = (float(value) for value in self._run())
            num_steps += STEPS_AT_ONCE
            solved = self._is_solved(loss, score)
        moved = [np.any(np.array(each) != value) for each, value in zip(self._variables, before, strict=True)]
        return _Attempt(rate, num_steps, loss, score, solved, _unmoved(self._variables, moved) if num_steps else ())

    def _is_solved(self, loss: float, score: float) -> bool:
        if self.task.kind == "unknown":
            return loss < SOLVED_LOSS * self.first_loss
        return bool(np.isfinite(loss)) and score >= SOLVED_SCORE.get(self.task.kind, 1.0)

    def _steps(self) -> tuple[tf.Tensor, tf.Tensor]:
        def body(i: tf.Tensor) -> tf.Tensor:
            self._step()
            return i + 1

        tf.while_loop(lambda i: i < STEPS_AT_ONCE, body, (tf.constant(0),))
        return self._measure()

    def _step(self) -> None:
        with tf.GradientTape() as tape:
            loss, _ = self._measure()
        gradients = tape.gradient(loss, [variable.value for variable in self._variables])
        pairs = zip(gradients, self._variables, strict=True)
        self._optimizer.apply_gradients([(each, variable) for each, variable in pairs if each is not None])

    def _measure(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Loss without penalties, and score."""
        outputs = self._model(self._x, training=False)
        if self.task.kind == "unknown":
            loss = self._model.compute_loss(self._x, self._y, outputs, training=False)
            return tf.cast(loss, "float32"), tf.constant(float("nan"))
        assert self.task.losses
        loss = tf.reduce_mean(self.task.losses(self._y, outputs))
        return tf.cast(loss, "float32"), self.task.score(tf.cast(outputs, "float32"))


def _unmoved(variables: Sequence[keras.Variable], moved: Sequence[Any]) -> tuple[str, ...]:
    """Layers, by the paths of their variables, none of whose trainable variables changed."""
    by_layer: dict[str, bool] = {}
    for variable, has_moved in zip(variables, moved, strict=True):
        layer = variable.path.split("/")[-2] if "/" in variable.path else variable.path
        by_layer[layer] = by_layer.get(layer, False) or bool(has_moved)
    return tuple(layer for layer, has_moved in by_layer.items() if not has_moved)


@contextmanager
def _statistics_of_the_batch(model: keras.Model) -> Iterator[None]:
    """Lets batch normalisation that is not frozen take its statistics from the batch, in an inference too."""
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]

    def normalising(layer: keras.Layer) -> Any:
        original = layer.call

        def call(inputs: Any, training: bool | None = None, mask: Any = None) -> Any:  # noqa: ARG001
            return original(inputs, training=True, mask=mask)

        return call

    for layer in layers:
        layer.call = normalising(layer)
    try:
        yield
    finally:
        for layer in layers:
            del layer.call
