"""The diagnosis of a run as a page: findings in plain words, curves, heat maps of layers over epochs."""

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from pipeline.diagnosis.before import Report
from pipeline.diagnosis.figures import drawn, legend
from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.rules import RULES
from pipeline.diagnosis.signals import Column, Signals
from pipeline.pages import render

MAPS: dict[str, tuple[Column, Callable[[np.ndarray], np.ndarray]]] = {
    "gradient (powers of ten)": (Column.GRADIENT, lambda values: np.log10(np.maximum(values, 1e-12))),
    "dead units (share)": (Column.DEAD, lambda values: values),
    "saturated outputs (share)": (Column.SATURATED, lambda values: values),
    "spread of outputs (powers of ten)": (Column.SPREAD, lambda values: np.log10(np.maximum(values, 1e-12))),
}
"""Heat maps: title, what is drawn, and on which scale."""


def write_page(signals: Signals, findings: Sequence[Finding], path: Path, *, before: Report | None = None) -> None:
    """Writes the page; it needs no other file.

    Args:
        signals: Of the training.
        findings: Made of them, the gravest first.
        path: Of the HTML file.
        before: What was said before the first step; None: nothing is known of it.
    """
    page = render(
        "diagnosis.html",
        findings=findings,
        before=before,
        meanings={rule.symptom: inspect.getdoc(type(rule)) for rule in RULES},
        figures={each.symptom: drawn(each.figure) for each in findings if each.figure},
        legends={each.symptom: legend(each.figure) for each in findings if each.figure},
        noise=_noise(signals),
        signals=signals,
        facts=signals.facts,
        losses=curves(signals),
        maps={title: heat_map(signals, *drawn) for title, drawn in MAPS.items()},
        epochs=[reading.epoch for reading in signals.readings],
    )
    path.write_text(page, encoding="utf-8")


def heat_map(
    signals: Signals, column: Column, scale: Callable[[np.ndarray], np.ndarray]
) -> list[tuple[str, list[tuple[str, str]]]]:
    """One row a layer: its name, then text and colour of each probe; white is the smallest value, dark the largest."""
    values = scale(signals.column(column).astype("float64"))
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    rows = []
    for place, layer in enumerate(signals.facts.layers):
        cells = [(_text(value), _colour(value, low, high)) for value in values[:, place]]
        rows.append((layer.name, cells))
    return rows


def curves(signals: Signals, width: int = 640, height: int = 160) -> str:
    """Training and validation loss over the epochs, and the constant answer's as a line, as SVG."""
    series = {"training": signals.losses, "validation": signals.val_losses}
    known = np.concatenate([each[np.isfinite(each)] for each in series.values()])
    if not known.size:
        return ""
    constant = signals.facts.constant_loss
    top = float(min(known.max(), 4 * constant if constant > 0 else known.max()))
    bottom = float(min(known.min(), 0.0))
    parts = [f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="Loss by epoch">']
    for (name, values), colour in zip(series.items(), ("#3d7ab8", "#e0a340"), strict=True):
        points = [
            f"{width * (i + 0.5) / len(values):.1f},{height * (1 - (min(value, top) - bottom) / (top - bottom)):.1f}"
            for i, value in enumerate(values)
            if np.isfinite(value) and top > bottom
        ]
        line = f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}">'
        parts.append(f"{line}<title>{name}</title></polyline>")
    if bottom < constant < top:
        y = height * (1 - (constant - bottom) / (top - bottom))
        parts.append(f'<line x1="0" x2="{width}" y1="{y:.1f}" y2="{y:.1f}" stroke="#9aa5b1" stroke-dasharray="4"/>')
    return "".join([*parts, "</svg>"])


def _noise(signals: Signals) -> str:
    """The newest estimate of the noise scale, in examples; an empty text: there is none."""
    known = [each.gradient_noise for each in signals.readings if np.isfinite(each.gradient_noise)]
    return f"{float(f'{known[-1]:.1g}'):,.0f}" if known else ""


def _text(value: float) -> str:
    return f"{value:.2g}" if np.isfinite(value) else "NaN"


def _colour(value: float, low: float, high: float) -> str:
    if not np.isfinite(value):
        return "#c0392b"
    share = (value - low) / (high - low) if high > low else 0.0
    return f"hsl(210 60% {96 - 50 * share:.0f}%)"
