"""Where two models disagree: in which groups of examples, and on which examples."""

import numpy as np
import pandas as pd

from pipeline.comparison.correction import holm
from pipeline.comparison.paired import LEVEL, Effect, effect
from pipeline.comparison.predictions import TestPredictions, label_in_words
from pipeline.comparison.resampling import SEED
from pipeline.comparison.slices import MIN_EXAMPLES, slice_metric
from pipeline.metrics import Predicted


def group_effects(first: TestPredictions, second: TestPredictions) -> pd.DataFrame:
    """Compares two models in each group of examples; p-values are corrected for the number of groups.

    Args:
        first: Answers, with the groups of the examples.
        second: Answers to the same examples in the same order.

    Returns:
        A row a group, the clearest difference first: `slice`, `value`, `examples`, `difference` (how much better the
        second is, in accuracy or mean absolute error), `low`, `high`, `p`, `differs`.
    """
    metric = slice_metric(first.predicted.task)
    rows = []
    for kind in first.groups:
        groups = first.groups[kind].to_numpy()
        for value in sorted(set(groups)):
            inside = np.flatnonzero(groups == value)
            if len(inside) >= MIN_EXAMPLES:
                found = _effect_in(metric, inside, first.predicted, second.predicted)
                rows.append((kind, value, len(inside), found.value, found.low, found.high, found.p))
    names = ["slice", "value", "examples", "difference", "low", "high", "p"]
    table = pd.DataFrame(rows, columns=names).astype({"p": float})
    table["p"] = holm(table["p"].tolist())
    table["differs"] = table["p"] <= LEVEL
    return table.sort_values("p", kind="stable", ignore_index=True)


def _effect_in(metric: str, rows: np.ndarray, first: Predicted, second: Predicted) -> Effect:
    a, b = (Predicted(of.task, of.labels[rows], of.outputs[rows]) for of in (first, second))
    return effect(metric, a, b, seed=SEED)


def disagreements(first: TestPredictions, second: TestPredictions, limit: int) -> pd.DataFrame:
    """Lists the examples that the models answer differently, the clearest first.

    Args:
        first: Answers.
        second: Answers to the same examples in the same order.
        limit: How many at most.

    Returns:
        `id`, `label`, `first` and `second` (their answers) and `distance`: between the probabilities, or the values.
    """
    a, b = first.predicted, second.predicted
    distance = np.abs(a.outputs - b.outputs).max(axis=1)
    if a.task == "regression":
        differ = np.arange(len(distance))
    else:
        differ = np.flatnonzero((a.predictions != b.predictions).reshape(len(distance), -1).any(axis=1))
    rows = differ[np.argsort(-distance[differ], kind="stable")][:limit]
    answers = (a.labels, a.predictions, b.predictions)
    label, ours, theirs = ([label_in_words(values[row], first.classes) for row in rows] for values in answers)
    ids = [first.ids[row] for row in rows]
    return pd.DataFrame({"id": ids, "label": label, "first": ours, "second": theirs, "distance": distance[rows]})
