"""Pictures of a run, drawn without a display and without pyplot's global state."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image
from sklearn.metrics import precision_recall_curve, roc_curve

from pipeline.metrics import Predicted

TRAIN, VALIDATION, QUIET = "#1f5fa8", "#d9711c", "#8a8f98"
MAX_CLASSES_WITH_NUMBERS = 20
MAX_CLASSES_LISTED = 40
MAX_CURVES = 10
MAX_MARKED = 100
"""Epochs that get a dot each."""


def figure(rows: int = 1, columns: int = 1, *, width: float = 4.8, height: float = 3.6) -> tuple[Figure, list[Axes]]:
    """Opens a figure of equal panels; `width` and `height` of one panel are in inches."""
    canvas = FigureCanvasAgg(Figure(figsize=(width * columns, height * rows), layout="constrained"))
    axes = canvas.figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    return canvas.figure, axes


def save(drawn: Figure, path: Path) -> None:
    """Writes a PNG whose bytes do not name the library that drew it."""
    drawn.savefig(path, dpi=120, metadata={"Software": None})


def learning_curves(
    epochs: Sequence[dict[str, Any]], best_epoch: int, path: Path, *, phase_starts: Sequence[int] = ()
) -> None:
    """Draws the loss and every metric of the history over the epochs, train beside validation, the epoch kept marked.

    Args:
        epochs: Lines of `history.json`.
        best_epoch: Epoch whose weights are kept.
        path: PNG to write.
        phase_starts: First epochs of later phases; a line before each parts it from the one before.
    """
    names = _validated(epochs)
    drawn, axes = figure(columns=len(names))
    for axis, name in zip(axes, names, strict=True):
        _draw_curve(axis, name, epochs, best_epoch)
        for i, start in enumerate(phase_starts):
            axis.axvline(start - 0.5, color=QUIET, label=None if i else "next phase")
        axis.legend(frameon=False)
    save(drawn, path)


def curve_drawings(epochs: Sequence[dict[str, Any]], best_epoch: float | None) -> list[str]:
    """Draws the same for a page: a metric a drawing, as SVG whose text takes the font of the page.

    Args:
        epochs: As in `learning_curves`.
        best_epoch: As in `learning_curves`; None: none was kept.
    """
    drawings = []
    for name in _validated(epochs):
        drawn, (axis,) = figure(width=4.2, height=2.6)
        _draw_curve(axis, name, epochs, best_epoch)
        axis.legend(frameon=False, fontsize=8)
        with rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
            buffer = io.StringIO()
            drawn.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
        drawings.append(buffer.getvalue()[buffer.getvalue().index("<svg") :])
    return drawings


def _validated(epochs: Sequence[dict[str, Any]]) -> list[str]:
    """Metrics that train and validation have, the loss first."""
    return sorted((name for name in epochs[0] if f"val_{name}" in epochs[0]), key=lambda name: name != "loss")


def _draw_curve(axis: Axes, name: str, epochs: Sequence[dict[str, Any]], best_epoch: float | None) -> None:
    steps = [line["epoch"] for line in epochs]
    for key, colour, label in ((name, TRAIN, "train"), (f"val_{name}", VALIDATION, "validation")):
        values = [line.get(key, np.nan) for line in epochs]
        axis.plot(steps, values, color=colour, marker="." if len(steps) <= MAX_MARKED else None, label=label)
    if best_epoch is not None:
        axis.axvline(best_epoch, color=QUIET, linestyle=":", label=f"kept: epoch {best_epoch:.0f}")
    axis.set(title=name, xlabel="epoch")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))


def learning_rates(epochs: np.ndarray, rates: np.ndarray, path: Path) -> None:
    """Draws how the learning rate will move over the run.

    Args:
        epochs: Points in time, in epochs from 0.
        rates: The rate at each.
        path: PNG to write.
    """
    drawn, (axis,) = figure(width=6, height=3)
    axis.plot(epochs, rates, color=TRAIN)
    axis.set(title="Learning rate", xlabel="epoch", ylim=(0, None))
    save(drawn, path)


def range_test_curve(rates: np.ndarray, losses: np.ndarray, suggestions: dict[str, float], path: Path) -> None:
    """Draws the loss over the learning rate, on a logarithmic scale, with the rates that it suggests.

    Args:
        rates: Learning rate of each step.
        losses: Smoothed loss of each step.
        suggestions: Name of a rule to its rate.
        path: PNG to write.
    """
    drawn, (axis,) = figure(width=6, height=3.6)
    axis.plot(rates, losses, color=TRAIN)
    for (rule, rate), colour in zip(suggestions.items(), (QUIET, VALIDATION), strict=False):
        axis.axvline(rate, color=colour, linestyle=":")
        axis.plot(rate, np.interp(rate, rates, losses), "o", color=colour, label=f"{rule}: {rate:.2g}")
    axis.set(title="Range test", xlabel="learning rate", ylabel="loss (smoothed)", xscale="log")
    axis.legend(frameon=False)
    save(drawn, path)


def confusion(matrix: np.ndarray, names: Sequence[str], path: Path) -> None:
    """Draws how often each class was taken for each: rows are true classes, colours shares of the row.

    Args:
        matrix: Counts, (num_classes, num_classes).
        names: Names of the classes.
        path: PNG to write.
    """
    num_classes = len(names)
    side = max(4.0, 0.42 * num_classes + 1.6)
    drawn, (axis,) = figure(width=side + 0.6, height=side)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if num_classes <= MAX_CLASSES_WITH_NUMBERS:
        for (row, column), count in np.ndenumerate(matrix):
            if count:
                colour = "white" if shares[row, column] > 0.5 else "black"
                axis.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=8)
    axis.set_xticks(range(num_classes), names, rotation=90 if max(map(len, names)) > 2 else 0)
    axis.set_yticks(range(num_classes), names)
    axis.set(xlabel="predicted", ylabel="true", title="Confusion")
    save(drawn, path)


def per_class(table: pd.DataFrame, path: Path) -> None:
    """Draws precision and recall of each class as dots on a line, the worst F1 at the top.

    Args:
        table: Columns class, precision, recall, f1, examples.
        path: PNG to write.
    """
    table = table.nsmallest(MAX_CLASSES_LISTED, "f1").iloc[::-1]
    drawn, (axis,) = figure(width=6, height=max(2.4, 0.28 * len(table) + 1.2))
    rows = range(len(table))
    axis.hlines(
        rows, table[["precision", "recall"]].min(axis=1), table[["precision", "recall"]].max(axis=1), color=QUIET
    )
    axis.scatter(table["precision"], rows, color=TRAIN, label="precision", zorder=2)
    axis.scatter(table["recall"], rows, color=VALIDATION, marker="D", label="recall", zorder=2)
    axis.set_yticks(rows, [f"{name} ({count})" for name, count in zip(table["class"], table["examples"], strict=True)])
    axis.set(title="Per class (test examples), worst F1 first")
    axis.legend(frameon=False)
    save(drawn, path)


def ranking_curves(test: Predicted, names: Sequence[str], path: Path) -> None:
    """Draws ROC and precision-recall curves, each class against the rest; with many classes, all pooled in one line.

    Args:
        test: Labels and outputs of the test examples.
        names: Names of the classes or labels.
        path: PNG to write.
    """
    drawn, (roc, precision_recall) = figure(columns=2)
    for name, truth, scores in _one_against_rest(test, names):
        false_positives, true_positives, _ = roc_curve(truth, scores)
        roc.plot(false_positives, true_positives, label=name)
        precision, recall, _ = precision_recall_curve(truth, scores)
        precision_recall.plot(recall, precision, label=name)
    roc.plot([0, 1], [0, 1], color=QUIET, linestyle=":")
    roc.set(title="ROC", xlabel="false positive rate", ylabel="true positive rate")
    precision_recall.set(title="Precision-recall", xlabel="recall", ylabel="precision", ylim=(0, 1.02))
    precision_recall.legend(frameon=False, fontsize=8)
    save(drawn, path)


def _one_against_rest(test: Predicted, names: Sequence[str]) -> list[tuple[str, np.ndarray, np.ndarray]]:
    classes = [1] if test.task == "binary" else test.ranked_classes
    indicators, probabilities = test.indicators, test.probabilities
    if len(classes) > MAX_CURVES:
        return [(f"all {len(names)} classes", indicators.ravel(), probabilities.ravel())]
    return [(names[k], indicators[:, k], probabilities[:, k]) for k in classes if k in test.ranked_classes]


def residuals(test: Predicted, names: Sequence[str], path: Path) -> None:
    """Draws predicted against true values and the spread of the residuals, a row for each value predicted.

    Args:
        test: Labels and outputs of the test examples.
        names: Names of the values.
        path: PNG to write.
    """
    drawn, axes = figure(rows=len(names), columns=2)
    labels = test.labels.reshape(len(test.labels), -1)
    for k, name in enumerate(names):
        truth, predicted = labels[:, k], test.outputs[:, k]
        scatter, histogram = axes[2 * k : 2 * k + 2]
        scatter.scatter(truth, predicted, s=9, alpha=0.5, color=TRAIN)
        scatter.axline((truth.mean(), truth.mean()), slope=1, color=QUIET, linestyle=":")
        scatter.set(title=name, xlabel="true", ylabel="predicted")
        histogram.hist(predicted - truth, bins=30, color=TRAIN)
        histogram.axvline(0, color=QUIET, linestyle=":")
        histogram.set(title="Residuals", xlabel="predicted - true", ylabel="examples")
    save(drawn, path)


def captioned_images(images: Sequence[Image.Image], captions: Sequence[str], path: Path) -> None:
    """Draws images side by side, four in a row, a caption over each.

    Args:
        images: Grey or colour, of any sizes.
        captions: One for each.
        path: PNG to write.
    """
    columns = min(len(images), 4)
    drawn, axes = figure(-(-len(images) // columns), columns, width=1.9, height=2.1)
    for axis in axes:
        axis.set_axis_off()
    for axis, image, caption in zip(axes, images, captions, strict=False):
        axis.imshow(image, cmap="gray" if image.mode in ("L", "1") else None)
        axis.set_title(caption, fontsize=9)
    save(drawn, path)
