"""Curves of two trainings and heat maps of their layers, as SVG and table cells for a page."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TypeGuard

WIDTH, HEIGHT = 640, 220
LEFT, BOTTOM, TOP = 44, 22, 10

_Scale = Callable[[float], float]

Values = Sequence[float | None]
"""One a place; None: no number."""


@dataclass(frozen=True)
class Curve:
    """One line of a chart."""

    name: str
    values: Values
    """By epoch, from 1."""
    colour: str
    dashed: bool = False


def chart(title: str, curves: Sequence[Curve], *, level: float | None = None, top: float | None = None) -> str:
    """Draws curves over epochs on common axes.

    Args:
        title: What a screen reader says.
        curves: Lines; places without a number are gaps.
        level: A horizontal line for comparison; None: none.
        top: Largest value shown; what is above is drawn at the edge.

    Returns:
        An `<svg>` element; empty where no curve has a number.
    """
    known = [value for curve in curves for value in curve.values if _is_number(value)]
    known += [level] if _is_number(level) else []
    if not known:
        return ""
    high, low = max(known), min(0.0, *known)
    high = min(high, top) if top is not None else high
    high = high if high > low else low + 1
    epochs = max(len(curve.values) for curve in curves)

    def x(epoch: float) -> float:
        return LEFT + (WIDTH - LEFT - 8) * (epoch - 1) / max(1, epochs - 1)

    def y(value: float) -> float:
        share = (min(max(value, low), high) - low) / (high - low)
        return HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">']
    for value in (low, (low + high) / 2, high):
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - 8}" y1="{y(value):.1f}" y2="{y(value):.1f}" class="grid"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.3g}</text>')
    for epoch in sorted({1, (epochs + 1) // 2, epochs}):
        parts.append(f'<text x="{x(epoch):.1f}" y="{HEIGHT - 6}" text-anchor="middle">{epoch}</text>')
    if _is_number(level):
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - 8}" y1="{y(level):.1f}" y2="{y(level):.1f}" class="level"/>')
    parts += [_line(curve, x, y) for curve in curves]
    return "".join([*parts, "</svg>"])


def heat_maps(
    names: Sequence[str], tables: Mapping[str, Sequence[Values]], *, logarithmic: bool
) -> dict[str, list[tuple[str, list[tuple[str, str]]]]]:
    """Colours layers over epochs, on one scale for all trainings.

    Args:
        names: Of the layers.
        tables: Training to its rows, one a probe, with a value a layer.
        logarithmic: Whether powers of ten are coloured.

    Returns:
        Training to one row a layer: its name, then text and colour of each probe; red is no number.
    """
    scaled = {which: [[_scaled(value, logarithmic) for value in row] for row in rows] for which, rows in tables.items()}
    known = [value for rows in scaled.values() for row in rows for value in row if value is not None]
    low, high = (min(known), max(known)) if known else (0.0, 0.0)
    return {
        which: [
            (name, [(_text(tables[which][i][place]), _colour(row[place], low, high)) for i, row in enumerate(rows)])
            for place, name in enumerate(names)
            if rows and place < len(rows[0])
        ]
        for which, rows in scaled.items()
    }


def _line(curve: Curve, x: _Scale, y: _Scale) -> str:
    pieces: list[list[str]] = [[]]
    for epoch, value in enumerate(curve.values, 1):
        if _is_number(value):
            pieces[-1].append(f"{x(epoch):.1f},{y(value):.1f}")
        elif pieces[-1]:
            pieces.append([])
    dash = ' stroke-dasharray="5 4"' if curve.dashed else ""
    lines = "".join(f'<polyline points="{" ".join(each)}"/>' for each in pieces if each)
    return (
        f'<g fill="none" stroke="{curve.colour}" stroke-width="2"{dash}><title>{escape(curve.name)}</title>{lines}</g>'
    )


def _is_number(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)


def _scaled(value: float | None, logarithmic: bool) -> float | None:
    if value is None:
        return None
    return math.log10(max(value, 1e-12)) if logarithmic else value


def _text(value: float | None) -> str:
    return "NaN" if value is None else f"{value:.2g}"


def _colour(value: float | None, low: float, high: float) -> str:
    if value is None:
        return "#c0392b"
    return f"hsl(210 60% {96 - 34 * (value - low) / (high - low) if high > low else 96:.0f}%)"
