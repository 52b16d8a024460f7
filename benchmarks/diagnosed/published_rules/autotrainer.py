"""AUTOTRAINER (Zhang et al., ICSE 2021, https://github.com/shiningrain/AUTOTRAINER, AutoTrainer/utils/monitor.py)."""

import numpy as np

from benchmarks.diagnosed.published_rules.call import Call
from pipeline.diagnosis.signals import Column, Reading, Signals

MAX_RATIO = 1e-3
"""β1: norm of the first kernel's gradient relative to the last one's, below which it vanishes."""
MAX_FIRST = 1e-4
"""β2: norm of the first kernel's gradient below which it vanishes."""
MIN_RATIO = 70.0
"""β3: the ratio above which gradients explode."""
DEAD = 0.7
"""γ: share of all gradients that are exactly 0, from which on ReLU units are dying."""
SWING = 0.03
"""ζ: fall of training accuracy from a peak to a trough that counts as oscillation."""
SWINGS = 0.2
"""η: number of such falls relative to the epochs."""
SLOW = 0.01
"""δ: largest gain of accuracy in one epoch below which convergence is slow."""
GOOD = 0.7
"""Θ: accuracy that a sound training reaches."""
FROM = 0.3
"""Share of the planned epochs after which a training is judged."""
LARGEST_LOSS = 1e5
"""Validation loss that counts as exploded."""


def autotrainer(signals: Signals) -> list[Call]:
    """Judges after each epoch until something is found; a training without accuracy is not judged.

    Left out: its test for overfitting, which the published version has switched off.
    """
    scores, val_scores = signals.series("accuracy"), signals.series("val_accuracy")
    losses, val_losses = signals.losses, signals.val_losses
    if np.isnan(scores).all():
        return []
    seen: set[str] = set()
    for i in range(len(signals.epochs)):
        epoch = i + 1
        readings = [each for each in signals.readings if each.epoch == epoch]
        finite = np.isfinite([losses[i], val_losses[i]]).all() and all(each.finite for each in readings)
        if not finite or val_losses[i] >= LARGEST_LOSS:
            return [Call("exploding_gradient", epoch), Call("nan", epoch)]
        seen |= {symptom for each in readings for symptom in _gradients(signals, each)}
        if epoch < FROM * signals.facts.planned_epochs:
            continue
        found = _judged(scores[:epoch], val_scores[:epoch], seen)
        if found:
            return [Call(found, epoch)]
    return []


def _gradients(signals: Signals, reading: Reading) -> set[str]:
    """What one reading of the gradients says."""
    num_weights = np.array([layer.num_weights for layer in signals.facts.layers], float)
    norms = reading.layers[:, Column.GRADIENT] * np.sqrt(num_weights)
    zeros = (reading.layers[:, Column.ZERO_GRADIENTS] * num_weights).sum() / num_weights.sum()
    ratio = norms[0] / norms[-1] if norms[-1] else np.inf
    tests = {
        "vanishing_gradient": ratio < MAX_RATIO and norms[0] < MAX_FIRST,
        "exploding_gradient": ratio > MIN_RATIO,
        "dying_relu": zeros >= DEAD,
    }
    return {symptom for symptom, found in tests.items() if found}


def _judged(scores: np.ndarray, val_scores: np.ndarray, seen: set[str]) -> str:
    """The symptom that accuracies and gradients together amount to; an empty text: none."""
    slow = max(np.diff(each).max(initial=0.0) for each in (scores, val_scores)) < SLOW
    if slow or min(scores.max(), val_scores.max()) < GOOD:
        for symptom in ("dying_relu", "exploding_gradient", "vanishing_gradient"):
            if symptom in seen:
                return symptom
        return "slow_convergence" if slow else ""
    return "oscillating_loss" if _oscillates(scores) else ""


def _oscillates(scores: np.ndarray) -> bool:
    inner, before, after = scores[1:-1], scores[:-2], scores[2:]
    peaks = inner[(inner >= before) & (inner >= after)]
    troughs = inner[(inner <= before) & (inner <= after)]
    pairs = min(len(peaks), len(troughs))
    return bool((peaks[:pairs] - troughs[:pairs] >= SWING).sum() >= SWINGS * len(scores))
