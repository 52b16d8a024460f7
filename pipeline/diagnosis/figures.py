"""Small figures that findings rest on: some lines over the epochs, and the threshold; drawn as SVG or in one line."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from pipeline.diagnosis.signals import Column, Signals

BLAMED = 3
"""Layers that get a line of their own."""

OTHERS = "other layers"
"""The line of their median."""

COLOURS = ("#c0392b", "#e0a340", "#3d7ab8", "#9aa5b1")

LOGARITHMIC = (Column.SIZE, Column.SPREAD, Column.WEIGHT, Column.GRADIENT, Column.UPDATE)
"""Columns that differ by powers of ten."""

LOGGED = ("loss", "accuracy")
"""Series that Keras logs, of training and validation; others are fields of `Epoch`."""

Shown = Column | str
"""What a rule shows: a column by layer, one of `LOGGED`, or a field of `Epoch`."""


@dataclass(frozen=True)
class Figure:
    """Lines over the epochs, as plain numbers."""

    what: str
    """What is drawn, in words."""
    epochs: tuple[int, ...] = ()
    lines: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
    """Name to one value an epoch; None: not a number."""
    logarithmic: bool = False


def figure(shown: Shown, layers: Sequence[str], signals: Signals) -> Figure:
    """Takes from the signals what a finding shows.

    Args:
        shown: A column, or the name of a series.
        layers: Those to blame, first.
        signals: Of the training.
    """
    if isinstance(shown, Column):
        return _by_layer(shown, layers, signals)
    epochs = tuple(epoch.epoch for epoch in signals.epochs)
    accuracy = (signals.accuracy_name, f"val_{signals.accuracy_name}")
    fields = shown not in LOGGED
    names = (shown,) if fields else accuracy if shown == "accuracy" and signals.accuracy_name else ("loss", "val_loss")
    found = {name: [getattr(each, name) if fields else each[name] for each in signals.epochs] for name in names}
    lines = {name: _known(values) for name, values in found.items() if np.isfinite(values).any()}
    return Figure(shown.replace("_", " "), epochs, lines)


def drawn(shown: Figure, *, beside: Figure | None = None, width: int = 300, height: int = 90) -> str:
    """Draws a figure as SVG, without a name space: it is put into a page.

    Args:
        shown: The figure.
        beside: Another one that it shares its scale with.
        width: In pixels.
        height: In pixels.
    """
    scaled = {name: _scaled(values, shown.logarithmic) for name, values in shown.lines.items()}
    others = [_scaled(values, shown.logarithmic) for values in beside.lines.values()] if beside else []
    known = [value for values in (*scaled.values(), *others) for value in values if math.isfinite(value)]
    if not known:
        return ""
    low, high = min(known), max(known)
    low, high = (low, high) if high > low else (low - 0.5, high + 0.5)
    last = max(1, len(shown.epochs) - 1)
    parts = []
    for (name, values), colour in zip(scaled.items(), COLOURS, strict=False):
        points = [
            (6 + (width - 12) * place / last, 6 + (height - 12) * (1 - (value - low) / (high - low)))
            for place, value in enumerate(values)
            if math.isfinite(value)
        ]
        path = " ".join(f"{x:.0f},{y:.0f}" for x, y in points)
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"><title>{name}</title></polyline>'
        )
        parts += [f'<circle cx="{x:.0f}" cy="{y:.0f}" r="2" fill="{colour}"/>' for x, y in points[-1:]]
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{shown.what}">{"".join(parts)}</svg>'


def legend(shown: Figure) -> list[tuple[str, str, str]]:
    """Name, colour, and first and last value in words, of each line."""
    rows = []
    for (name, values), colour in zip(shown.lines.items(), COLOURS, strict=False):
        known = [value for value in values if value is not None]
        rows.append((name, colour, f"{known[0]:.2g} → {known[-1]:.2g}" if known else "no number"))
    return rows


def in_line(shown: Figure, width: int = 24) -> str:
    """Draws the first line of a figure with block characters, for the terminal; an empty text: there is nothing."""
    for name, values in shown.lines.items():
        scaled = [value for value in _scaled(values, shown.logarithmic) if math.isfinite(value)]
        if len(scaled) < 2:
            return ""
        low, high = min(scaled), max(scaled)
        places = np.linspace(0, len(scaled) - 1, min(width, len(scaled))).round().astype(int)
        heights = [round(7 * (scaled[place] - low) / (high - low)) if high > low else 0 for place in places]
        first, last = (next(v for v in order if v is not None) for order in (values, values[::-1]))
        bars = "".join("▁▂▃▄▅▆▇█"[height] for height in heights)
        label = shown.what if name == shown.what else f"{shown.what}, {name}"
        return f"{label}: {first:.3g} {bars} {last:.3g}"
    return ""


def _by_layer(column: Column, layers: Sequence[str], signals: Signals) -> Figure:
    names = [layer.name for layer in signals.facts.layers]
    values, blamed = signals.column(column).astype("float64"), list(layers[:BLAMED])
    lines = {name: _known(values[:, names.index(name)]) for name in blamed if name in names}
    rest = [place for place, name in enumerate(names) if name not in layers]
    if rest:
        lines[OTHERS if lines else "all layers"] = _known(np.median(values[:, rest], axis=1))
    epochs = tuple(reading.epoch for reading in signals.readings)
    return Figure(WORDS[column], epochs, lines, column in LOGARITHMIC)


WORDS = {
    Column.SIZE: "size of outputs",
    Column.SPREAD: "spread of outputs over the examples",
    Column.NON_FINITE: "share of values that are no numbers",
    Column.DEAD: "share of dead units",
    Column.SATURATED: "share of saturated outputs",
    Column.WEIGHT: "size of weights",
    Column.GRADIENT: "size of the gradient",
    Column.ZERO_GRADIENTS: "share of weights without gradient",
    Column.UPDATE: "change of weights a step",
    Column.LARGEST: "largest weight",
}
"""Columns as a reader calls them."""


def _known(values: Sequence[float] | np.ndarray) -> tuple[float | None, ...]:
    return tuple(float(f"{value:.4g}") if math.isfinite(value) else None for value in map(float, values))


def _scaled(values: Sequence[float | None], logarithmic: bool) -> list[float]:
    given = [math.nan if value is None else value for value in values]
    return (
        [math.log10(max(value, 1e-12)) if math.isfinite(value) else math.nan for value in given]
        if logarithmic
        else given
    )
