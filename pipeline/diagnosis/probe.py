"""Looks at a network over a fixed batch of examples: one compiled forward and backward pass, reduced on the device."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipeline.diagnosis.anatomy import Block, blocks, output_activation, recorded_calls
from pipeline.diagnosis.signals import Column, Facts, LayerFacts, Reading
from pipeline.diagnosis.task import Task, labels_problem, out_of_reach, task_of

NUM_EXAMPLES = 256
"""Of the probe at most: enough for shares of units and classes, a small part of an epoch."""

FLAT = 0.02
"""Slope of a bounded activation, relative to its largest, below which an output counts as saturated."""


class Probe:
    """Reads a compiled Keras model between epochs, without changing anything of it.

    Weights, moving statistics, seeds, the optimiser and metrics stay as they are: the pass is an inference.

    Args:
        model: Compiled; functional, sequential or subclassed.
        x: Examples as `fit` takes them: an array, or a dict or list of arrays; the first `NUM_EXAMPLES` are probed.
        y: Their labels as `fit` takes them.
    """

    def __init__(self, model: keras.Model, x: Any, y: Any):
        self._model = model
        self._x, self._y = (keras.tree.map_structure(_first, each) for each in (x, y))
        if not model.built:
            model(keras.tree.map_structure(lambda each: each[:1], self._x), training=False)
        self.task: Task = task_of(model, self._y)
        self.layers: tuple[LayerFacts, ...] = ()
        self._all_x = x
        self._all_y = y
        self._previous: dict[int, keras.Variable] = {}
        self._read = self._measure if model.run_eagerly else tf.function(self._measure, autograph=False)
        self._input = (float("nan"), float("nan"))
        self._num_outputs = 0
        self._activation = "unknown"
        self._logits_known = False

    @property
    def variables(self) -> list[keras.Variable]:
        """The weights at the last look; none before the first one."""
        return list(self._previous.values())

    def facts(self, planned_epochs: int, steps_per_epoch: int = 0) -> Facts:
        """Says what does not change during the training; after the first `read`."""
        task = task_of(self._model, self._all_y)
        optimizer = self._model.optimizer
        inner = getattr(optimizer, "inner_optimizer", optimizer)
        clips = (getattr(inner, name, None) for name in ("clipnorm", "clipvalue", "global_clipnorm"))
        return Facts(
            planned_epochs=planned_epochs,
            layers=self.layers,
            task=self.task.kind,
            loss=self.task.loss_name,
            num_outputs=self._num_outputs,
            from_logits=self.task.from_logits,
            logits_known=self._logits_known,
            output_activation=self._activation,
            out_of_reach=out_of_reach(self.task, self._activation),
            num_classes=len(np.unique(self.task.labels)) if self.task.kind in ("classes", "binary") else 0,
            constant_loss=self.task.constant_loss(self._y, self._num_outputs),
            chance=self.task.chance,
            neighbours=task.neighbours(_flat(self._all_x)),
            input_size=self._input[0],
            input_ratio=self._input[1],
            labels_problem=labels_problem(self.task, self._y, self._num_outputs),
            optimizer=type(inner).__name__,
            learning_rate=_peak_rate(inner, planned_epochs * max(1, steps_per_epoch)),
            momentum=float(getattr(inner, "momentum", 0.0) or 0.0),
            clipped=any(clips),
            steps_per_epoch=steps_per_epoch,
        )

    def read(self, epoch: int, steps: int | None = 1) -> Reading:
        """Looks once.

        Args:
            epoch: Epochs completed.
            steps: Optimiser steps since the reading before; None: unknown, so that the change a step is, too.
        """
        table, run = (np.array(each) for each in self._read(self._x, self._y))
        table[:, Column.UPDATE] /= math.nan if steps is None else max(1, steps)
        loss, score, spread, top_share, finite, lowest, highest, size, ratio = (float(value) for value in run)
        self._input = (size, ratio)
        everything = bool(finite) and not table[:, Column.NON_FINITE].any()
        return Reading(epoch, table, loss, score, spread, top_share, everything, lowest, highest)

    def _measure(self, x: Any, y: Any) -> tuple[tf.Tensor, tf.Tensor]:
        model = self._model
        with tf.GradientTape() as tape, recorded_calls(model) as calls:
            outputs = model(x, training=False)
            loss = self.task.loss(y, outputs) if self.task.loss else model.compute_loss(x, y, outputs, training=False)
        found = blocks(calls)
        weights = [_weights(block) for block in found]
        gradients = tape.gradient(loss, weights)
        if not self.layers:
            self.layers = tuple(_facts(*each) for each in zip(found, weights, gradients, strict=True))
            self._num_outputs = int(outputs.shape[-1] or 0) if isinstance(outputs, tf.Tensor) else 0
            self._activation = output_activation(calls, found, outputs)
            self._logits_known = hasattr(outputs, "_keras_logits")
        rows = [self._row(*each) for each in zip(found, weights, gradients, strict=True)]
        table = tf.stack(rows) if rows else tf.zeros((0, len(Column)))
        return table, tf.stack([tf.cast(loss, "float32"), *self._outputs(outputs), *_input_scale(found)])

    def _outputs(self, outputs: Any) -> list[tf.Tensor]:
        """Score, spread, share of the most frequent answer, whether all is finite, lowest and highest output."""
        nan = tf.constant(float("nan"))
        flat = [tf.cast(each, "float32") for each in keras.tree.flatten(outputs)]
        finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(each)) for each in flat])
        spread = tf.reduce_max([_spread(each) for each in flat])
        edges = [tf.reduce_min([tf.reduce_min(each) for each in flat]), tf.reduce_max([tf.reduce_max(e) for e in flat])]
        score = self.task.score(flat[0]) if len(flat) == 1 else nan
        top_share = nan
        if self.task.kind in ("classes", "binary") and len(flat) == 1:
            counts = tf.math.bincount(tf.cast(tf.reshape(self.task.answers(flat[0]), [-1]), "int32"))
            top_share = tf.cast(tf.reduce_max(counts) / tf.reduce_sum(counts), "float32")
        return [score, spread, top_share, tf.cast(finite, "float32"), *edges]

    def _row(self, block: Block, weights: list[tf.Variable], gradients: Sequence[Any]) -> tf.Tensor:
        output = tf.cast(block.output, "float32")
        values = _joined(weights)
        known = [tf.convert_to_tensor(each) for each in gradients if each is not None]
        gradient = _joined(known) if known else tf.zeros((1,))
        row = {
            Column.SIZE: _size(output),
            Column.SPREAD: _spread(output),
            Column.NON_FINITE: _non_finite(tf.concat([tf.reshape(output, [-1]), values, gradient], 0)),
            Column.DEAD: _dead(output),
            Column.SATURATED: _saturated(output, block.activations[0] if block.activations else "linear"),
            Column.WEIGHT: _size(values),
            Column.GRADIENT: _size(gradient),
            Column.ZERO_GRADIENTS: tf.reduce_mean(tf.cast(gradient == 0, "float32")),
            Column.UPDATE: self._change(weights),
            Column.LARGEST: tf.reduce_max(tf.abs(values)),
        }
        return tf.stack([row[column] for column in Column])

    def _change(self, weights: list[tf.Variable]) -> tf.Tensor:
        """Norm of what changed since the last look, relative to the weights; remembers them for the next."""
        squares, total = tf.zeros(()), tf.zeros(())
        for weight in weights:
            if id(weight) not in self._previous:
                with tf.init_scope():
                    self._previous[id(weight)] = keras.Variable(weight, trainable=False, dtype=weight.dtype.name)
            kept, now = self._previous[id(weight)], tf.convert_to_tensor(weight)
            previous = tf.convert_to_tensor(kept.value)
            squares += tf.cast(tf.reduce_sum((now - previous) ** 2), "float32")
            total += tf.cast(tf.reduce_sum(previous**2), "float32")
            kept.assign(now)
        return tf.sqrt(squares / tf.maximum(total, 1e-24))


def _peak_rate(optimizer: keras.optimizers.Optimizer, num_steps: int) -> float:
    """The largest learning rate of the plan: a schedule may begin with next to nothing."""
    schedule = optimizer._learning_rate
    if isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule):
        return max(float(schedule(step)) for step in np.linspace(0, num_steps, 50).astype(int).tolist())
    return float(keras.ops.convert_to_numpy(optimizer.learning_rate))


def _first(each: Any) -> tf.Tensor:
    return tf.convert_to_tensor(each[:NUM_EXAMPLES])


def _flat(x: Any) -> np.ndarray:
    """All inputs of each example side by side, `(n, columns)`."""
    parts = [np.asarray(each) for each in keras.tree.flatten(x)]
    return np.concatenate([each.reshape(len(each), -1) for each in parts], axis=1)


def _weights(block: Block) -> list[tf.Variable]:
    """Weights of a block in the order of the layer: trainable ones, or all of a frozen layer."""
    return [weight.value for weight in block.layer.trainable_weights or block.layer.weights]


def _facts(block: Block, weights: list[tf.Variable], gradients: Sequence[Any]) -> LayerFacts:
    return LayerFacts(
        name=block.layer.name,
        kind=type(block.layer).__name__,
        activations=tuple(block.activations),
        width=block.width,
        num_weights=sum(int(np.prod(weight.shape)) for weight in weights),
        trainable=bool(block.layer.trainable_weights),
        connected=any(each is not None for each in gradients),
    )


def _joined(tensors: Sequence[Any]) -> tf.Tensor:
    return tf.concat([tf.reshape(tf.cast(each, "float32"), [-1]) for each in tensors], 0)


def _size(values: tf.Tensor) -> tf.Tensor:
    return tf.sqrt(tf.reduce_mean(values**2))


def _spread(values: tf.Tensor) -> tf.Tensor:
    """Standard deviation over the examples (axis 0), root mean square over the rest."""
    return tf.sqrt(tf.reduce_mean(tf.math.reduce_variance(values, axis=0)))


def _non_finite(values: tf.Tensor) -> tf.Tensor:
    return 1 - tf.reduce_mean(tf.cast(tf.math.is_finite(values), "float32"))


def _dead(output: tf.Tensor) -> tf.Tensor:
    units = tf.reshape(output, [-1, output.shape[-1] or 1])
    return tf.reduce_mean(tf.cast(tf.reduce_all(units == 0, axis=0), "float32"))


def _saturated(output: tf.Tensor, activation: str) -> tf.Tensor:
    """Share of outputs on the flat parts of an activation: slope below `FLAT` of the largest."""
    if activation == "tanh":
        slope = 1 - output**2
    elif activation == "sigmoid":
        slope = 4 * output * (1 - output)
    else:
        return tf.zeros(())
    return tf.reduce_mean(tf.cast(slope < FLAT, "float32"))


def _input_scale(found: Sequence[Block]) -> list[tf.Tensor]:
    """What the first kernel is given: largest size of a column, largest over smallest deviation of columns."""
    nan = tf.constant(float("nan"))
    given = next((block.given for block in found if block.given is not None), None)
    if given is None or not given.dtype.is_floating or len(given.shape) < 2:
        return [nan, nan]
    columns = tf.reshape(tf.cast(given, "float32"), [-1, given.shape[-1]])
    deviations = tf.math.reduce_std(columns, axis=0)
    smallest = tf.reduce_min(tf.where(deviations > 0, deviations, float("inf")))
    return [tf.reduce_max(tf.sqrt(tf.reduce_mean(columns**2, axis=0))), tf.reduce_max(deviations) / smallest]
