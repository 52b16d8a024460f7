"""UMLAUT (Schoop et al., CHI 2021, https://github.com/BerkeleyHCI/umlaut, umlaut/heuristics.py)."""

from collections.abc import Iterator

import numpy as np

from benchmarks.diagnosed.published_rules.call import Call
from pipeline.diagnosis.signals import Signals

MAX_INPUT = 1.0
"""Largest absolute input."""
MIN_RATE, MAX_RATE = 1e-7, 0.01
"""Learning rates outside of which it warns."""
HIGH_SCORE = 0.95
"""Validation accuracy that is too good."""
SCORES_FROM = 3
"""Epochs after which validation accuracies are looked at."""


def umlaut(signals: Signals) -> list[Call]:
    """All heuristics after all epochs.

    The input counts as too large where a column's root mean square is: single values are not read. Left out: shapes of
    images, and inputs that are no floating-point numbers. Its warning of a validation accuracy that is too good has no
    symptom here, but is an alarm.
    """
    return [*_before(signals), *_epochs(signals)]


def _before(signals: Signals) -> Iterator[Call]:
    facts = signals.facts
    if facts.task in ("classes", "binary") and facts.output_activation != "softmax" and not facts.from_logits:
        yield Call("improper_activation", 0)
    if any(layer.activation == "linear" for layer in facts.layers[:-1]):
        yield Call("improper_activation", 0)
    if facts.input_size > MAX_INPUT:
        yield Call("abnormal_input", 1)
    if facts.learning_rate > MAX_RATE:
        yield Call("oscillating_loss", 1)
    if facts.learning_rate < MIN_RATE:
        yield Call("slow_convergence", 1)


def _epochs(signals: Signals) -> Iterator[Call]:
    losses, val_losses = signals.losses, signals.val_losses
    scores, val_scores = signals.series("accuracy"), signals.series("val_accuracy")
    for i in range(len(losses)):
        if np.isnan(losses[i]):
            yield Call("nan", i + 1)
        if i and val_losses[i] > val_losses[i - 1] and losses[i] <= losses[i - 1]:
            yield Call("overfitting", i + 1)
        if i >= SCORES_FROM and (val_scores[i] > HIGH_SCORE or val_scores[i] > scores[i]):
            yield Call("too_good", i + 1)
