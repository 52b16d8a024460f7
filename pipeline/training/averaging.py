"""Averages of the weights, validated and kept in place of the last ones: EMA and SWA.

What an average needs between steps is in variables: the EMA in the optimiser's, all else in the `variables` of the
callbacks here.
"""
# ruff: noqa: ARG002  (Keras hands all arguments to each method, by name)

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipeline.batches import Batches
from pipeline.training.optimizers import unscaled


class ValidateMovingAverage(keras.callbacks.Callback):  # type: ignore[misc]
    """Puts the optimiser's moving average into the network for validation and for what looks at it at an epoch's end.

    The weights in training come back when the next epoch begins. After the last one Keras's `fit` puts the average in
    for good. Unlike `keras.callbacks.SwapEMAWeights` it copies, where that one adds and subtracts, which changes the
    weights; and a training that stops early ends with the average too.

    Attributes:
        variables: The weights in training while the average is in the network.
    """

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Makes room for the weights in training."""
        self.variables = _copies(self.model.trainable_variables)

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Puts the average in."""
        _assign(self.variables, self.model.trainable_variables)
        optimizer = unscaled(self.model.optimizer)
        optimizer.finalize_variable_values(self.model.trainable_variables)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Puts the weights in training back."""
        _assign(self.model.trainable_variables, self.variables)


class StochasticWeightAverage(keras.callbacks.Callback):  # type: ignore[misc]
    """Averages the weights at the ends of epochs, and puts the mean into the network when training ends.

    Izmailov et al. 2018, "Averaging Weights Leads to Wider Optima and Better Generalization".

    Args:
        first_epoch: The first epoch whose end counts.

    Attributes:
        variables: How many epochs count so far, and the mean of their weights.
    """

    def __init__(self, first_epoch: int):
        super().__init__()
        self._first_epoch = first_epoch

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Makes room for the mean."""
        self._count = keras.Variable(0.0, trainable=False, name="num_averaged")
        self._means = _copies(self.model.trainable_variables)
        self.variables = [self._count, *self._means]

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Lets the weights count."""
        if epoch < self._first_epoch:
            return
        self._count.assign_add(1)
        for mean, weight in zip(self._means, self.model.trainable_variables, strict=True):
            mean.assign_add((weight - mean) / self._count)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Puts the mean in, if an epoch counted."""
        if self._count.numpy():
            _assign(self.model.trainable_variables, self._means)


def reestimate_batch_norm(network: keras.Model, training: Batches, *, first_step: int) -> None:
    """Replaces the statistics of batch normalisation by those of the weights as they are, over one epoch.

    Averaged weights were never trained with, so that no moving statistics belong to them. These are the means over
    batches, weighted by their size, of batch means and variances, as in Izmailov et al. 2018.

    Args:
        network: Changed in place; nothing happens without batch normalisation.
        training: Batches of the training split.
        first_step: Where in the sequence of batches the epoch begins.
    """
    layers = list(_batch_norms(network))
    if not layers:
        return

    @tf.function  # type: ignore[untyped-decorator]
    def statistics(inputs: Any) -> list[tf.Tensor]:
        network(inputs, training=True)
        return [tf.identity(v.value) for layer in layers for v in (layer.moving_mean, layer.moving_variance)]

    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0
    sizes, seen = [], []
    for inputs, labels in training.dataset(first_step, training.steps_per_epoch):
        seen.append([value.numpy() for value in statistics(inputs)])
        sizes.append(len(labels))
    means = [np.average(values, axis=0, weights=sizes) for values in zip(*seen, strict=True)]
    for i, (layer, momentum) in enumerate(zip(layers, momenta, strict=True)):
        layer.moving_mean.assign(means[2 * i])
        layer.moving_variance.assign(means[2 * i + 1])
        layer.momentum = momentum


def _batch_norms(model: keras.Model) -> Iterator[keras.layers.BatchNormalization]:
    """Every batch normalisation in a model, also in models inside it."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _batch_norms(layer)
        elif isinstance(layer, keras.layers.BatchNormalization):
            yield layer


def _copies(variables: list[keras.Variable]) -> list[keras.Variable]:
    return [keras.Variable(variable, trainable=False, dtype=variable.dtype) for variable in variables]


def _assign(targets: list[keras.Variable], values: list[keras.Variable]) -> None:
    for target, value in zip(targets, values, strict=True):
        target.assign(value)
