"""The step loop: Keras's compiled steps over batches that are a function of the step, from any point of a training."""

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from pipeline.batches import Batches

Weighted = Callable[..., tuple[Any, tf.Tensor, tf.Tensor]]
"""From inputs and labels to these and the weights of the examples."""


class Position(NamedTuple):
    """How far a training is; positions compare as they follow each other."""

    epoch: int
    """From 0, counted over all phases."""
    step: int
    """How many steps of that epoch are done; after its last step, validation comes."""


class Loop:
    """What Keras's `fit` does with a compiled network, to the bit, but from any epoch and step.

    Validation leaves nothing behind, so that a training is at a position whenever a step or an epoch has ended. Between
    steps it does less than `fit`: the values of a step stay tensors until someone looks, and validation goes on reading
    where it was an epoch ago.

    Args:
        learner: Compiled; built here, with its optimiser and metrics, so that all variables are there.
        training: Batches of the training split, counted over all epochs.
        validation: Batches of the validation split, gone through once an epoch, in the same order each time.
        epochs: The epochs to train, without gaps.
        class_weights: Of the examples of each class in the training loss; None: all weigh 1.
    """

    def __init__(
        self,
        learner: keras.Model,
        training: Batches,
        validation: Batches,
        *,
        epochs: range,
        class_weights: dict[int, float] | None = None,
    ):
        self.learner = learner
        self.epochs = epochs
        self._training = training
        self._validation = validation
        self._weighted = _weighting(class_weights) if class_weights else None
        self._build()

    def run(
        self,
        callbacks: Sequence[keras.callbacks.Callback],
        *,
        start: Position | None = None,
        restore: Callable[[], None] = lambda: None,
        passed: Callable[[Position], None] = lambda _: None,
    ) -> None:
        """Trains; leaves the weights that the callbacks keep in the network.

        Args:
            callbacks: Called as `fit` calls them, in this order; not at batches of validation. At batches of training
                the values are tensors: reading one waits for the device.
            start: Where to begin; by default with the first epoch.
            restore: Puts the state of `start` back. It is called after `on_train_begin`, and within an epoch after
                `on_epoch_begin`, in which callbacks reset themselves.
            passed: Called at each position from which the training could begin again.
        """
        learner, position = self.learner, start or Position(self.epochs.start, 0)
        learner.make_train_function()
        learner.make_test_function()
        learner.stop_training = False
        watching = self._list(callbacks)
        watching.on_train_begin()
        if position.step:
            watching.on_epoch_begin(position.epoch)
        restore()
        logs: dict[str, Any] = {}
        batches = self._batches(self._training, position, self._weighted, modelled=True)
        held_out = self._batches(self._validation, Position(position.epoch, 0))
        try:
            while position.epoch < self.epochs.stop and (position.step or not learner.stop_training):
                if not position.step:
                    learner.reset_metrics()
                    watching.on_epoch_begin(position.epoch)
                self._train(position, next(batches), callbacks, passed)
                logs = learner.get_metrics_result()
                logs |= {f"val_{name}": value for name, value in self._validate(next(held_out), watching).items()}
                watching.on_epoch_end(position.epoch, logs)
                position = Position(position.epoch + 1, 0)
                passed(position)
        finally:
            # Its iterator is dropped where nobody waits for it, unless an exception that is handled still holds it.
            threading.Thread(target=batches.close, daemon=True).start()
        learner.optimizer.finalize_variable_values(learner.trainable_variables)
        watching.on_train_end(logs)

    def _build(self) -> None:
        """Builds what Keras would build at the first step; under a strategy, its variables belong to that."""
        batch = _weighted(self._training.dataset(num_steps=1), self._weighted).element_spec
        with self.learner.distribute_strategy.scope():
            # What Keras's own trainers call; there is no public name for it.
            self.learner._symbolic_build(data_batch=batch)

    def _train(
        self,
        position: Position,
        batches: Iterator[Any],
        callbacks: Sequence[keras.callbacks.Callback],
        passed: Callable[[Position], None],
    ) -> None:
        """Takes the steps that are left of an epoch; several in one call where the learner is compiled so."""
        num_steps = self._training.steps_per_epoch
        beginning, ending = _overriding("on_train_batch_begin", callbacks), _overriding("on_train_batch_end", callbacks)
        first = position.step
        while first < num_steps:
            after = min(first + self.learner.steps_per_execution, num_steps)
            for begin in beginning:
                begin(first)
            logs = self.learner.train_function(batches)
            for end in ending:
                end(after - 1, logs)
            passed(Position(position.epoch, after))
            if self.learner.stop_training:
                return
            first = after

    def _validate(self, batches: Iterator[Any], watching: keras.callbacks.CallbackList) -> dict[str, Any]:
        """Does what `evaluate` does, without making the iterators that it makes each time."""
        watching.on_test_begin()
        self.learner.reset_metrics()
        for _ in range(0, self._validation.steps_per_epoch, self.learner.steps_per_execution):
            self.learner.test_function(batches)
        measured: dict[str, Any] = self.learner.get_metrics_result()
        watching.on_test_end(measured)
        return measured

    def _batches(
        self, source: Batches, start: Position, weighted: Weighted | None = None, *, modelled: bool = False
    ) -> Generator[Iterator[Any], None, None]:
        """Gives each epoch its batches from a position on: all of one iterator, which reads ahead of the epoch.

        Where an epoch is no multiple of the steps of a call, its batches end with it, or the call would take more; they
        are not modelled, or each epoch could wait for the last one's iterator.
        """
        num_steps = source.steps_per_epoch
        first, stop = start.epoch * num_steps + start.step, self.epochs.stop * num_steps
        distribute = self.learner.distribute_strategy.experimental_distribute_dataset
        if num_steps % self.learner.steps_per_execution == 0:
            dataset = source.dataset(first, stop - first, modelled=modelled)
            batches = iter(distribute(_weighted(dataset, weighted)))
            while True:
                yield batches
        while True:
            end = (first // num_steps + 1) * num_steps
            yield iter(distribute(_weighted(source.dataset(first, end - first), weighted)))
            first = end

    def _list(self, callbacks: Sequence[keras.callbacks.Callback]) -> keras.callbacks.CallbackList:
        return keras.callbacks.CallbackList(
            list(callbacks),
            model=self.learner,
            epochs=self.epochs.stop,
            steps=self._training.steps_per_epoch,
            verbose=0,
        )


def _overriding(name: str, callbacks: Sequence[keras.callbacks.Callback]) -> list[Callable[..., None]]:
    """The methods of this name of those callbacks that do something in it."""
    default = getattr(keras.callbacks.Callback, name)
    return [getattr(callback, name) for callback in callbacks if getattr(type(callback), name) is not default]


def _weighted(dataset: tf.data.Dataset, weighted: Weighted | None) -> tf.data.Dataset:
    return dataset.map(weighted) if weighted else dataset


def _weighting(class_weights: dict[int, float]) -> Weighted:
    """Returns what adds the weight of its class to each example; mixed labels count as the class that dominates."""
    weights = tf.constant([class_weights.get(i, 1.0) for i in range(max(class_weights) + 1)])

    def weighted(inputs: Any, labels: tf.Tensor) -> tuple[Any, tf.Tensor, tf.Tensor]:
        classes = tf.argmax(labels, axis=-1) if labels.shape.rank > 1 else tf.cast(tf.round(labels), tf.int64)
        return inputs, labels, tf.gather(weights, classes)

    return weighted
