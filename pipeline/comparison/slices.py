"""How good a model is on each group of examples, and which groups it is worse on than chance explains."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from pipeline.comparison.correction import holm
from pipeline.comparison.intervals import CONFIDENCE, Estimate, estimates, half_width, wilson
from pipeline.comparison.predictions import TestPredictions
from pipeline.comparison.weighted import hits, per_example
from pipeline.figures import TRAIN, VALIDATION, figure, save
from pipeline.metrics import Predicted, compute

MIN_EXAMPLES = 5
"""Groups with fewer are not looked at."""

MIN_RESAMPLED = 100
"""Examples of a group from which on metrics that are no shares have an interval: on 99 simulated ones of three classes,
95 % intervals held in 92 to 95 % of sets, on 30 in 87 %. That of the calibration error held in 86 %: it has none."""

NUM_RESAMPLES = 500
"""For each metric of each group: fewer than for the whole test set, of which there is one."""

MAX_DRAWN = 30


def slice_metric(task: str) -> str:
    """The metric of a group: one that each example has a share in."""
    return "mae" if task == "regression" else "accuracy"


def score_slices(test: TestPredictions) -> pd.DataFrame:
    """Scores each group of examples and tests whether the model is worse there than on all the others.

    Fisher's exact test where an answer is right or wrong, else Welch's t-test, one-sided; corrected by Holm for the
    number of groups, as the worst of many looks bad by chance alone. The classes themselves are groups too.

    Args:
        test: Answers, with the groups of the examples.

    Returns:
        A row a group, the worst first: `slice`, `value`, `examples`, `metric`, `score`, `low`, `high` (95 % interval),
        `rest` (the score of the other examples), `p` (corrected) and `worse` (p at most 0.05).
    """
    metric = slice_metric(test.predicted.task)
    rows = list(_rows(test, metric))
    table = pd.DataFrame(
        rows, columns=["slice", "value", "examples", "metric", "score", "low", "high", "rest", "p"]
    ).astype({"p": float})
    table["p"] = holm(table["p"].tolist())
    table["worse"] = table["p"] <= 1 - CONFIDENCE
    return table.sort_values(["p", "score"], ascending=[True, metric != "mae"], kind="stable", ignore_index=True)


def estimate_slices(test: TestPredictions, *, seed: int) -> pd.DataFrame:
    """Computes every metric of the recipe, with its interval, on each group of examples.

    A metric that a group does not define, such as the area under the ROC curve where one class is, is NaN.

    Args:
        test: Answers, with the groups of the examples.
        seed: Of the resamples.

    Returns:
        A row a group and metric: `slice`, `value`, `examples`, `metric`, `score`, `low`, `high` (95 % interval, as
        `estimates` has them; NaN: the examples do not tell, or are too few).
    """
    of = test.predicted
    rows = [
        (kind, value, inside.sum(), name, found.value, found.low, found.high)
        for kind, value, inside in _groups(test)
        for name, found in _estimates(
            test.metrics, Predicted(of.task, of.labels[inside], of.outputs[inside]), seed
        ).items()
    ]
    return pd.DataFrame(rows, columns=["slice", "value", "examples", "metric", "score", "low", "high"])


def in_words(slices: pd.DataFrame, limit: int = 3) -> str:
    """Names groups, the worst first: `brightness below 0.1 (accuracy 0.80 [0.70, 0.88] on 85 examples, rest 0.95)`."""
    said = [
        f"{row.slice} {row.value} ({row.metric} {row.score:.2f} [{row.low:.2f}, {row.high:.2f}] on {row.examples:,} "
        f"examples, rest {row.rest:.2f})"
        for row in slices.head(limit).itertuples()
    ]
    return "; ".join([*said, *([f"and {len(slices) - limit} more"] if len(slices) > limit else [])])


def draw_slices(slices: pd.DataFrame, path: Path) -> None:
    """Draws the score of each group with its interval, the worst at the top; what chance does not explain stands out.

    Args:
        slices: What `score_slices` gave.
        path: PNG to write.
    """
    shown = slices.head(MAX_DRAWN).iloc[::-1]
    drawn, (axis,) = figure(width=6.4, height=max(2.0, 0.24 * len(shown) + 1.0))
    rows = np.arange(len(shown))
    colours = np.where(shown["worse"], VALIDATION, TRAIN)
    axis.hlines(rows, shown["low"], shown["high"], color=colours, alpha=0.6)
    axis.scatter(shown["score"], rows, color=colours, zorder=2)
    names = [f"{row.slice}: {row.value} ({row.examples:,})" for row in shown.itertuples()]
    axis.set_yticks(rows, names, fontsize=8)
    axis.set(title="Groups of test examples, 95 % intervals", xlabel=shown["metric"].iloc[0])
    save(drawn, path)


@dataclass(frozen=True)
class GroupScore:
    """How good a model is on one group."""

    value: float
    """Of the metric that `slice_metric` names."""
    low: float
    high: float
    num_examples: int


def score_group(test: TestPredictions, kind: str, value: str) -> GroupScore:
    """Scores one group of examples.

    Args:
        test: Answers, with the groups of the examples.
        kind: A kind of group, such as `class`.
        value: The group in words.
    """
    scores = per_example(slice_metric(test.predicted.task), test.predicted)[(test.groups[kind] == value).to_numpy()]
    return GroupScore(float(scores.mean()), *_interval(scores), len(scores))


def _rows(test: TestPredictions, metric: str) -> Iterator[tuple[object, ...]]:
    scores = per_example(metric, test.predicted)
    for kind, value, inside in _groups(test):
        here, rest = scores[inside], scores[~inside]
        low, high = _interval(here)
        p = _worse(here, rest, higher_is_worse=metric == "mae")
        yield kind, value, len(here), metric, here.mean(), low, high, rest.mean(), p


def _groups(test: TestPredictions) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yields the groups that are looked at: kind, name, and which examples are inside."""
    for kind in map(str, test.groups):
        groups = test.groups[kind].to_numpy()
        for value in sorted(set(groups)):
            inside = groups == value
            if MIN_EXAMPLES <= inside.sum() <= len(groups) - MIN_EXAMPLES:
                yield kind, value, inside


def _estimates(names: Sequence[str], of: Predicted, seed: int) -> dict[str, Estimate]:
    are_many = len(of.labels) >= MIN_RESAMPLED
    told = [name for name in names if hits(name, of) is not None or (are_many and name != "calibration_error")]
    found = estimates(told, of, seed=seed, num_resamples=NUM_RESAMPLES)
    rest = compute([name for name in names if name not in told], of)
    found |= {name: Estimate(value, math.nan, math.nan) for name, value in rest.items()}
    return {name: found[name] for name in names}  # one order for all groups: a table has a column a metric


def _interval(scores: np.ndarray) -> tuple[float, float]:
    if np.isin(scores, (0, 1)).all():
        return wilson(int(scores.sum()), len(scores))
    half = half_width(scores)
    return float(scores.mean() - half), float(scores.mean() + half)


def _worse(here: np.ndarray, rest: np.ndarray, *, higher_is_worse: bool) -> float:
    """P-value of a group that is no worse than the rest."""
    alternative = "greater" if higher_is_worse else "less"
    if np.isin(here, (0, 1)).all() and np.isin(rest, (0, 1)).all():
        table = [[here.sum(), len(here) - here.sum()], [rest.sum(), len(rest) - rest.sum()]]
        return float(stats.fisher_exact(table, alternative=alternative).pvalue)
    if np.ptp(here) == 0 and np.ptp(rest) == 0:
        return 1.0
    return float(stats.ttest_ind(here, rest, equal_var=False, alternative=alternative).pvalue)
