"""DeepDiagnosis (Wardat et al., ICSE 2022, https://github.com/DeepDiagnosis/ICSE2022, callback/callbacks.py)."""

from collections.abc import Iterator

import numpy as np

from benchmarks.diagnosed.published_rules.call import Call
from pipeline.diagnosis.signals import Column, Reading, Signals

DEAD_SHARE = 0.7
"""Share of the outputs of a ReLU or exponential layer that are 0 or less, at the last epoch."""
SATURATED_SHARE = 0.5
"""Share of the inputs of a sigmoid or tanh beyond ±5."""
VANISHING = 1e-7
"""Mean absolute gradient of a layer."""
LOSSES, SCORES = 5, 20
"""Epochs in a row whose losses, or accuracies, are all the same."""


def deepdiagnosis(signals: Signals) -> list[Call]:
    """Looks after each epoch until something is found.

    Dead outputs are those of units that give 0 for every example, which are fewer; saturated ones lie where the slope
    is below 2 % of the steepest (±5.3 of a sigmoid, ±2.6 of a tanh). Left out: unchanged weights, means of gradients
    that are exactly 0, and how far a linear output reaches beyond the labels.
    """
    for epoch in range(1, len(signals.epochs) + 1):
        readings = [each for each in signals.readings if each.epoch == epoch]
        found = [*_range(signals, epoch), *(call for each in readings for call in _layers(signals, each))]
        found += _metrics(signals, epoch)
        if found:
            return found[:1]
    return []


def _range(signals: Signals, epoch: int) -> Iterator[Call]:
    """Whether the output can give what the loss takes; asked once."""
    facts = signals.facts
    unfit = facts.task == "classes" and facts.output_activation in ("relu", "linear") and not facts.from_logits
    misses = facts.task in ("classes", "binary") and facts.output_activation == "tanh"
    if epoch == 1 and (unfit or misses or facts.out_of_reach):
        yield Call("improper_activation", epoch)


def _layers(signals: Signals, reading: Reading) -> Iterator[Call]:
    rows, facts, epoch = reading.layers, signals.facts, reading.epoch
    activations = np.array([layer.activation for layer in facts.layers])
    if not np.isfinite(rows[:, Column.SIZE]).all() or (rows[:, Column.SIZE] == 0).any():
        yield Call("nan", epoch)
    dying = np.isin(activations, ("relu", "exponential")) & (rows[:, Column.DEAD] >= DEAD_SHARE)
    if epoch >= facts.planned_epochs and dying.any():
        yield Call("dying_relu", epoch)
    bounded = np.isin(activations, ("sigmoid", "tanh")) & (rows[:, Column.SATURATED] > SATURATED_SHARE)
    if bounded.any():
        yield Call("saturated_activation", epoch)
    if (rows[:, Column.GRADIENT] < VANISHING).any():
        yield Call("vanishing_gradient", epoch)


def _metrics(signals: Signals, epoch: int) -> Iterator[Call]:
    losses, scores = signals.losses[:epoch], signals.series("accuracy")[:epoch]
    if not np.isfinite(losses[-1]):
        yield Call("nan", epoch)
    elif epoch % LOSSES == 0 and np.ptp(losses[-LOSSES:]) == 0:
        yield Call("not_converging", epoch)
    if scores[-1] == 0 or (epoch % SCORES == 0 and np.ptp(scores[-SCORES:]) == 0):
        yield Call("not_converging", epoch)
