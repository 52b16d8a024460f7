"""The comparison of models as one HTML file that needs nothing else, with its pictures in it."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from pipeline.comparison.disagreement import disagreements, group_effects
from pipeline.comparison.models import ModelComparison
from pipeline.comparison.slices import slice_metric
from pipeline.comparison.verdict import amount
from pipeline.figures import QUIET, TRAIN, VALIDATION, figure
from pipeline.pages import embedded, render

MAX_EXAMPLES = 30
MAX_GROUPS = 30

Table = Mapping[str, Sequence[tuple[str, ...]]]
"""Title to rows: what differs, and its value in each model; the titles without rows are the same in all."""


def write_page(comparison: ModelComparison, path: Path, *, differences: Table, verdicts: Sequence[str]) -> None:
    """Writes the page: verdicts, intervals, pairs, ranks, disagreements of the two best, what differs.

    Args:
        comparison: Models on the same examples.
        path: HTML file to write.
        differences: Recipe, data, code: see `Table`.
        verdicts: Sentences for the top of the page.
    """
    first, second = two_to_contrast(comparison)
    contrasted = comparison.models[first], comparison.models[second]
    groups = group_effects(*contrasted)
    page = render(
        "comparison.html",
        amount=amount,
        comparison=comparison,
        verdicts=verdicts,
        names=list(comparison.models),
        first=first,
        second=second,
        group_metric=slice_metric(contrasted[0].predicted.task),
        groups=groups.head(MAX_GROUPS).to_dict("records"),
        num_groups=len(groups),
        examples=disagreements(*contrasted, MAX_EXAMPLES).to_dict("records"),
        differences=differences,
        pictures={name: embedded(picture) for name, picture in pictures(comparison).items()},
    )
    path.write_text(page, encoding="utf-8")


def two_to_contrast(comparison: ModelComparison) -> tuple[str, str]:
    """The two models whose disagreements are shown: both, or the two first of many."""
    names = list(comparison.models)
    if len(names) == 2:
        return names[0], names[1]
    best, runner_up, *_ = comparison.ranking
    return best.name, runner_up.name


def draw_scores(comparison: ModelComparison, axes: Sequence[Axes]) -> None:
    """Draws each metric of each model with its interval, a panel a metric.

    Args:
        comparison: Models on the same examples.
        axes: One for each metric.
    """
    names = list(comparison.models)[::-1]
    rows = np.arange(len(names))
    for axis, metric in zip(axes, comparison.metrics, strict=True):
        found = [comparison.estimates[name][metric] for name in names]
        axis.hlines(rows, [each.low for each in found], [each.high for each in found], color=TRAIN, alpha=0.5)
        axis.scatter([each.value for each in found], rows, color=TRAIN, zorder=2)
        axis.set_yticks(rows, names)
        axis.set(title=metric, ylim=(-0.6, len(names) - 0.4))


def draw_effects(comparison: ModelComparison, axes: Sequence[Axes]) -> None:
    """Draws the difference of each pair with its interval, a panel a metric; those told apart stand out.

    Args:
        comparison: Models on the same examples.
        axes: One for each metric.
    """
    for axis, metric in zip(axes, comparison.metrics, strict=True):
        found = comparison.effects[metric][::-1]
        rows = np.arange(len(found))
        colours = [VALIDATION if each.distinguishable else TRAIN for each in found]
        axis.axvline(0, color=QUIET, linestyle=":")
        axis.hlines(rows, [each.low for each in found], [each.high for each in found], color=colours, alpha=0.6)
        axis.scatter([each.value for each in found], rows, color=colours, zorder=2)
        axis.set_yticks(rows, [f"{each.second} against {each.first}" for each in found])
        axis.set(title=f"{metric}: better by", ylim=(-0.6, len(found) - 0.4))


def pictures(comparison: ModelComparison) -> dict[str, bytes]:
    """Draws `scores` and `effects`, as PNG."""
    return {"scores": _picture(draw_scores, comparison), "effects": _picture(draw_effects, comparison)}


def _picture(draw: Any, comparison: ModelComparison) -> bytes:
    num_rows = max(len(comparison.models), len(comparison.effects[comparison.metrics[0]]))
    drawn, axes = figure(rows=len(comparison.metrics), width=7, height=1.1 + 0.25 * num_rows)
    draw(comparison, axes)
    buffer = io.BytesIO()
    drawn.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()
