"""SageMaker Debugger's built-in rules at their defaults (AWS documentation, "List of Debugger built-in rules").

https://docs.aws.amazon.com/sagemaker/latest/dg/debugger-built-in-rules.html
"""

from collections.abc import Iterator

import numpy as np

from benchmarks.diagnosed.published_rules.call import Call
from pipeline.diagnosis.signals import Column, Reading, Signals

VANISHING = 1e-7
"""VanishingGradient, threshold: mean absolute gradient of a tensor."""
DEAD_SHARE = 0.5
"""DeadRelu, threshold_layer: share of the ReLU units of a layer that are inactive."""
WEIGHT_RATIO = 10.0
"""PoorWeightInitialization, threshold: largest over smallest variance of the weights of layers."""
SMALL_UPDATE, LARGE_UPDATE = 1e-8, 10.0
"""WeightUpdateRatio, small_threshold and large_threshold."""
LOSS_STEPS = 10
"""LossNotDecreasing, num_steps between the losses that are compared."""
LOSS_FALL = 0.001
"""LossNotDecreasing, diff_percent: fall of the loss between them, here a share."""
OVERFIT_RATIO = 0.1
"""Overfit, ratio_threshold: mean validation over mean training loss, minus 1."""
PATIENCE, VAL_PATIENCE, IMPROVEMENT = 5, 10, 0.01
"""Overtraining, patience_train, patience_validation and delta."""
UNCHANGED, RELATIVE, ABSOLUTE = 3, 1e-5, 1e-8
"""UnchangedTensor on the losses: num_steps, rtol and atol."""


def sagemaker(signals: Signals) -> list[Call]:
    """All rules at all places; losses are those of epochs, so that a step of the loss rules is an epoch at least.

    Left out: SaturatedActivation and the gradients' percentiles of PoorWeightInitialization (inputs of activations and
    percentiles are not read), ClassImbalance (no answers by class), StalledTraining, and the rules for images, texts
    and boosted trees; TensorVariance has no defaults.
    """
    calls = [*_at_the_start(signals), *_losses(signals)]
    calls += [call for reading in signals.readings for call in _layers(signals, reading)]
    return calls


def _at_the_start(signals: Signals) -> Iterator[Call]:
    variances = signals.first.layers[:, Column.WEIGHT] ** 2
    if not variances.min() * WEIGHT_RATIO >= variances.max():
        yield Call("poor_initialization", 0)


def _layers(signals: Signals, reading: Reading) -> Iterator[Call]:
    rows, epoch = reading.layers, reading.epoch
    rectified = np.array([layer.activation == "relu" for layer in signals.facts.layers])
    if not reading.finite:
        yield Call("nan", epoch)
    if (rows[:, Column.GRADIENT] < VANISHING).any():
        yield Call("vanishing_gradient", epoch)
    if (rectified & (rows[:, Column.DEAD] > DEAD_SHARE)).any():
        yield Call("dying_relu", epoch)
    if (rows[:, (Column.SIZE, Column.WEIGHT, Column.GRADIENT)] == 0).any():
        yield Call("all_zero", epoch)
    if epoch and (rows[:, Column.UPDATE] > LARGE_UPDATE).any():
        yield Call("oscillating_loss", epoch)
    if epoch and (rows[:, Column.UPDATE] < SMALL_UPDATE).any():
        yield Call("slow_convergence", epoch)


def _losses(signals: Signals) -> Iterator[Call]:
    losses, val_losses = signals.losses, signals.val_losses
    gap = max(1, -(-LOSS_STEPS // max(1, signals.facts.steps_per_epoch)))
    best, best_at, val_best, val_best_at = np.inf, 0, np.inf, 0
    for i, (loss, val_loss) in enumerate(zip(losses, val_losses, strict=True)):
        epoch = i + 1
        if i >= gap and i % gap == 0 and not loss <= losses[i - gap] * (1 - LOSS_FALL):
            yield Call("not_converging", epoch)
        if val_losses[:epoch].mean() > losses[:epoch].mean() * (1 + OVERFIT_RATIO):
            yield Call("overfitting", epoch)
        if loss < best - IMPROVEMENT:
            best, best_at = loss, i
        if val_loss < val_best - IMPROVEMENT:
            val_best, val_best_at = val_loss, i
        if i - best_at >= PATIENCE and i - val_best_at >= VAL_PATIENCE:
            yield Call("overfitting", epoch)
        recent = losses[max(0, epoch - UNCHANGED) : epoch]
        if len(recent) == UNCHANGED and np.allclose(recent, recent[0], rtol=RELATIVE, atol=ABSOLUTE):
            yield Call("not_converging", epoch)
