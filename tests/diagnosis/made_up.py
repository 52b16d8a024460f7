"""Signals made up by hand: a healthy training of three dense layers, from which tests change what they are about."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.diagnosis.schedule import is_probed
from pipeline.diagnosis.signals import Column, Epoch, Facts, LayerFacts, Reading, Signals

HEALTHY: Mapping[Column, float] = {
    Column.SIZE: 0.5,
    Column.SPREAD: 0.4,
    Column.NON_FINITE: 0.0,
    Column.DEAD: 0.1,
    Column.SATURATED: 0.0,
    Column.WEIGHT: 0.35,
    Column.GRADIENT: 0.02,
    Column.ZERO_GRADIENTS: 0.05,
    Column.UPDATE: 2e-3,
    Column.LARGEST: 1.0,
}
"""Of each layer, at each probe."""

LAYERS = tuple(
    LayerFacts(name, "Dense", (activation,), width=16, num_weights=17 * 16)
    for name, activation in (("first", "relu"), ("second", "relu"), ("output", "softmax"))
)

FACTS = Facts(
    planned_epochs=100,
    layers=LAYERS,
    task="classes",
    loss="categorical_crossentropy",
    num_outputs=4,
    num_classes=4,
    constant_loss=1.386,
    chance=0.25,
    neighbours=0.9,
    output_activation="softmax",
    input_size=1.0,
    input_ratio=2.0,
    optimizer="Adam",
    learning_rate=1e-3,
    steps_per_epoch=20,
)

Change = Mapping[Column, float | Sequence[float]]


def reading(epoch: int, *, layers: Change | None = None, **changes: Any) -> Reading:
    """One look at the healthy network.

    Args:
        epoch: Epochs completed.
        layers: Columns to change, one value for all layers or one each.
        changes: Fields of the reading to change.
    """
    table = np.tile([HEALTHY[column] for column in Column], (len(LAYERS), 1)).astype("float32")
    for column, values in (layers or {}).items():
        table[:, column] = values
    healthy = Reading(epoch, table, loss=0.3, score=0.9, spread=0.3, top_share=0.3, finite=True)
    return replace(healthy, **changes)


def epochs(losses: Sequence[float], **series: Sequence[float]) -> list[Epoch]:
    """Epochs with these training losses, and other values by their Keras names."""
    logs = [{"loss": loss, **{name: values[i] for name, values in series.items()}} for i, loss in enumerate(losses)]
    return [Epoch(i + 1, log, learning_rate=1e-3, memory_share=0.5) for i, log in enumerate(logs)]


def training(
    losses: Sequence[float] = (1.2, 0.8, 0.5, 0.35, 0.3),
    *,
    layers: Change | None = None,
    facts: Mapping[str, Any] | None = None,
    ended: bool = False,
    logs: Mapping[str, Sequence[float]] | None = None,
    **changes: Any,
) -> Signals:
    """A training read before the first step and after some epochs; healthy unless changed."""
    seen = epochs(losses, **(logs or {}))
    planned = (facts or {}).get("planned_epochs", FACTS.planned_epochs)
    at = [epoch for epoch in range(len(losses) + 1) if is_probed(epoch, planned) or epoch == len(losses)]
    readings = [reading(epoch, layers=layers, **changes) for epoch in at]
    return Signals(replace(FACTS, **(facts or {})), readings, seen, ended)
