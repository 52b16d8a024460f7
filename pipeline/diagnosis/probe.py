"""Looks at a network over a fixed batch of examples: one compiled forward and backward pass, measured by NumPy."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipeline.diagnosis import measures
from pipeline.diagnosis.anatomy import Block, Call, blocks, output_activation, recorded_calls
from pipeline.diagnosis.examples import evenly
from pipeline.diagnosis.reference import LARGEST
from pipeline.diagnosis.signals import Column, Facts, LayerFacts, Reading
from pipeline.diagnosis.task import Task, labels_problem, out_of_reach, task_of

NUM_EXAMPLES = 256
"""Of a reading at most: enough for shares of units and classes, a small part of an epoch."""

FEWEST = 64
"""Of a reading at least, where a network is so large that its pass over more would cost more than an epoch's share."""

NUM_OUTPUTS = 2**18
"""Values that all layers with kernels give together, above which there are fewer examples than `NUM_EXAMPLES`."""


class Probe:
    """Reads a compiled Keras model between epochs, without changing anything of it.

    Weights, moving statistics, seeds, the optimiser and metrics stay as they are: the pass is an inference.

    Args:
        model: Compiled; functional, sequential or subclassed.
        x: Examples as `fit` takes them: an array, or a dict or list of arrays; up to `NUM_EXAMPLES` of them, evenly
            spaced, are probed.
        y: Their labels as `fit` takes them.
    """

    def __init__(self, model: keras.Model, x: Any, y: Any):
        self._model = model
        self._x, self._y = evenly(x, y, LARGEST)
        if not model.built:
            model(keras.tree.map_structure(lambda each: each[:1], self._x), training=False)
        self.task: Task = task_of(model, self._y)
        self.layers: tuple[LayerFacts, ...] = ()
        self._previous: list[list[np.ndarray]] = []
        self._kept: list[keras.Variable] = []
        self.steps = 0
        """The optimiser's, at the last look."""
        self._input = (math.nan, math.nan)
        self._num_outputs = 0
        self._activation = "unknown"
        self._logits_known = False
        self._compile()

    @property
    def variables(self) -> list[keras.Variable]:
        """The weights at the last look, for a checkpoint; none before the first one. Made when first asked for."""
        if not self._kept:
            self._kept = [keras.Variable(each, trainable=False) for group in self._previous for each in group]
        return self._kept

    def facts(self, planned_epochs: int, steps_per_epoch: int = 0) -> Facts:
        """Says what does not change during the training; after the first `read`."""
        task = self.task
        return replace(
            plan_facts(self._model, planned_epochs, steps_per_epoch),
            layers=self.layers,
            task=task.kind,
            loss=task.loss_name,
            num_outputs=self._num_outputs,
            from_logits=task.from_logits,
            logits_known=self._logits_known,
            output_activation=self._activation,
            out_of_reach=out_of_reach(task, self._activation),
            num_classes=len(np.unique(task.labels)) if task.kind in ("classes", "binary") else 0,
            constant_loss=task.constant_loss(self._y, self._num_outputs),
            chance=task.chance,
            label_spread=float(task.labels.std(axis=0).mean()) if task.kind == "values" else math.nan,
            neighbours=task.neighbours(_flat(self._x)),
            input_size=self._input[0],
            input_ratio=self._input[1],
            labels_problem=labels_problem(task, self._y, self._num_outputs),
        )

    @property
    def num_examples(self) -> int:
        """How many examples a reading takes: a power of 2, as batches are, for which kernels are there already."""
        affordable = NUM_OUTPUTS // max(1, self._num_values)
        return max(FEWEST, min(NUM_EXAMPLES, 1 << max(0, affordable.bit_length() - 1)))

    def read(self, epoch: int, *, steps_before: int | None = 0, with_noise: bool = False) -> Reading:
        """Looks once.

        Args:
            epoch: Epochs completed.
            steps_before: The optimiser's steps at the reading before; None: unknown, so that the change a step is, too.
            with_noise: Whether to measure the noise of the gradient, by a second pass over a quarter of the examples.
        """
        with np.errstate(all="ignore"):
            return self._read(epoch, steps_before, with_noise)

    def _read(self, epoch: int, steps_before: int | None, with_noise: bool) -> Reading:
        with _as_traced():
            losses, outputs, values, weights, gradients, given, self.steps = self._passed(self._batch)
        # Copies: a variable is updated in place, and the next reading compares with these.
        weights = [[each.copy() for each in group] for group in weights]
        if not self._previous:
            self._input = measures.columns_scale(given)
        previous = self._before() or weights
        rows = [
            measures.row(output, layer.activation, now, known, before)
            for output, layer, now, known, before in zip(values, self.layers, weights, gradients, previous, strict=True)
        ]
        self._previous = weights
        for kept, now in zip(self._kept, keras.tree.flatten(weights), strict=bool(self._kept)):
            kept.assign(now)
        table = np.array(rows, "float32").reshape(len(rows), len(Column))
        table[:, Column.UPDATE] /= math.nan if steps_before is None else max(1, self.steps - steps_before)
        score, top_share = self._scored(outputs)
        finite = all(np.isfinite(each).all() for each in outputs) and not table[:, Column.NON_FINITE].any()
        return Reading(
            epoch,
            table,
            loss=float(losses.mean()),
            score=score,
            spread=float(np.max([measures.spread(each) for each in outputs])),
            top_share=top_share,
            finite=finite,
            lowest=float(np.min([each.min() for each in outputs])),
            highest=float(np.max([each.max() for each in outputs])),
            gradient_noise=self._noise(gradients) if with_noise else math.nan,
        )

    def _before(self) -> list[list[np.ndarray]]:
        """The weights at the last look, which a checkpoint may have put back."""
        if not self._kept:
            return self._previous
        values = iter([np.array(each) for each in self._kept])
        return [[next(values) for _ in group] for group in self._previous]

    def _noise(self, gradients: list[list[np.ndarray]]) -> float:
        """Compares the gradient with that of every fourth example."""
        quarter = _tensors(*keras.tree.map_structure(lambda each: np.asarray(each)[::4], self._batch))
        with _as_traced():
            *_, part, _, _ = self._passed(quarter)
        sizes = (len(keras.tree.flatten(batch)[0]) for batch in (self._batch, quarter))
        return measures.noise_scale(keras.tree.flatten(gradients), keras.tree.flatten(part), *sizes)

    def _scored(self, outputs: list[np.ndarray]) -> tuple[float, float]:
        """Score, and share of the most frequent answer; NaN where the task has none."""
        if len(outputs) > 1:
            return math.nan, math.nan
        score = float(self._probed.score(outputs[0]))
        if self.task.kind not in ("classes", "binary"):
            return score, math.nan
        answers = self._probed.answers(outputs[0]).reshape(-1)
        return score, float(np.bincount(answers).max() / len(answers))

    def _compile(self) -> None:
        """Builds the pass for any number of examples, and chooses how many there will be."""
        first = _tensors(*evenly(self._x, self._y, FEWEST))

        def measure(*tensors: tf.Tensor) -> tuple[Any, ...]:
            return self._measure(*keras.tree.pack_sequence_as(first, tensors))

        self._pass: Any = measure
        if self._model.run_eagerly:
            self._measure(*first)
        else:
            specs = [tf.TensorSpec((None, *each.shape[1:]), each.dtype) for each in keras.tree.flatten(first)]
            # A graph of what is asked for and of nothing beside it takes less time to make than a `tf.function`.
            self._pass = tf.compat.v1.wrap_function(measure, specs)
        x, y = evenly(self._x, self._y, self.num_examples)
        self._probed, self._batch = task_of(self._model, y), _tensors(x, y)

    def _passed(self, batch: tuple[Any, Any]) -> Any:
        """What `_measure` gives for examples and their labels, as arrays."""
        *measured, steps = self._pass(*keras.tree.flatten(batch))
        return *keras.tree.map_structure(_array, measured), int(steps)

    def _measure(self, x: Any, y: Any) -> tuple[Any, ...]:
        """Losses, outputs; of each block output, weights and their gradients; what the first is given; steps taken."""
        model = self._model
        with tf.GradientTape() as tape, recorded_calls(model) as calls:
            outputs = model(x, training=False)
            losses_of = self.task.losses
            losses = losses_of(y, outputs) if losses_of else model.compute_loss(x, y, outputs, training=False)
        share = tf.ones_like(losses) / tf.cast(tf.size(losses), losses.dtype)
        found = blocks(calls, outputs)
        variables = [_weights(block.layer) for block in found]
        gradients = tape.gradient(losses, variables, output_gradients=share)
        if not self.layers:
            self._learn(calls, found, gradients, outputs)
        known = [[tf.convert_to_tensor(each) for each in group if each is not None] for group in gradients]
        read = _values_read()
        weights = [
            [read[id(each.handle)] if id(each.handle) in read else each.value() for each in group]
            for group in variables
        ]
        given = found[0].given if found else None
        if given is None or not given.dtype.is_floating or len(given.shape) < 2:
            given = tf.zeros((0, 1))
        steps = tf.convert_to_tensor(model.optimizer.iterations)
        return losses, keras.tree.flatten(outputs), [block.output for block in found], weights, known, given, steps

    def _learn(
        self, calls: Sequence[Call], found: Sequence[Block], gradients: Sequence[Sequence[Any]], outputs: Any
    ) -> None:
        """Takes note of what does not change."""
        self.layers = tuple(_facts(*each) for each in zip(found, gradients, strict=True))
        self._num_values = sum(math.prod(size or 1 for size in block.output.shape[1:]) for block in found)
        self._num_outputs = int(outputs.shape[-1] or 0) if isinstance(outputs, tf.Tensor) else 0
        self._activation = output_activation(calls, found, outputs)
        self._logits_known = hasattr(outputs, "_keras_logits")


@contextmanager
def _as_traced() -> Iterator[None]:
    """Runs compiled functions without Grappler, which takes longer than it saves over a handful of readings."""
    before = tf.config.optimizer.get_experimental_options().get("disable_meta_optimizer", False)
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": before})


def plan_facts(model: keras.Model, planned_epochs: int, steps_per_epoch: int = 0) -> Facts:
    """Says what is known without a look at the network: plan and optimiser.

    Args:
        model: Compiled.
        planned_epochs: Of the training.
        steps_per_epoch: Optimiser steps; 0: unknown.
    """
    optimizer = model.optimizer
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    return Facts(
        planned_epochs=planned_epochs,
        optimizer=type(inner).__name__,
        learning_rate=_peak_rate(inner, planned_epochs * max(1, steps_per_epoch)),
        momentum=float(getattr(inner, "momentum", 0.0) or 0.0),
        clipped=any(getattr(inner, name, None) for name in ("clipnorm", "clipvalue", "global_clipnorm")),
        steps_per_epoch=steps_per_epoch,
    )


def _peak_rate(optimizer: keras.optimizers.Optimizer, num_steps: int) -> float:
    """The largest learning rate of the plan: a schedule may begin with next to nothing."""
    schedule = optimizer._learning_rate
    if isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule):
        steps = {
            *np.linspace(0, num_steps, 8).astype(int).tolist(),
            *np.geomspace(1, num_steps, 8).astype(int).tolist(),
        }
        return max(float(schedule(step)) for step in steps)
    return float(optimizer.learning_rate)


def _tensors(x: Any, y: Any) -> tuple[Any, Any]:
    given, labels = (keras.tree.map_structure(tf.convert_to_tensor, each) for each in (x, y))
    return given, labels


def _array(tensor: Any) -> np.ndarray:
    """Values as float32; on a CPU those of a tensor are read where they lie."""
    return np.asarray(tensor).astype("float32", copy=False)


def _flat(x: Any) -> np.ndarray:
    """All inputs of each example side by side, `(n, columns)`."""
    parts = [np.asarray(each) for each in keras.tree.flatten(x)]
    return np.concatenate([each.reshape(len(each), -1) for each in parts], axis=1)


def _weights(layer: keras.Layer) -> list[tf.Variable]:
    """Weights in the order of the layer: trainable ones, or all of a frozen layer."""
    return [weight.value for weight in layer.trainable_weights or layer.weights]


def _values_read() -> dict[int, tf.Tensor]:
    """The values that the graph has read by now, by the identity of their variable's handle: it need not read again."""
    captured = [] if tf.executing_eagerly() else tf.compat.v1.get_default_graph().captures
    reads = [(outer, op) for outer, inner in captured for op in inner.consumers() if op.type == "ReadVariableOp"]
    return {id(outer): op.outputs[0] for outer, op in reversed(reads)}


def _facts(block: Block, gradients: Sequence[Any]) -> LayerFacts:
    known = block.layer.trainable_weights
    cut = [weight.name for weight, gradient in zip(known, gradients, strict=False) if gradient is None]
    return LayerFacts(
        name=block.layer.name,
        kind=type(block.layer).__name__,
        activations=tuple(block.activations),
        width=block.width,
        num_weights=sum(int(np.prod(weight.shape)) for weight in _weights(block.layer)),
        trainable=bool(block.layer.trainable_weights),
        connected=any(each is not None for each in gradients),
        cut=tuple(cut) if len(cut) < len(known) else (),
    )
