"""Where two models disagree: in which groups of examples, and on which examples."""

import numpy as np
import pandas as pd

from pipeline.comparison.correction import holm
from pipeline.comparison.paired import LEVEL, Effect, effect
from pipeline.comparison.predictions import TestPredictions, label_in_words
from pipeline.comparison.resampling import SEED
from pipeline.comparison.slices import MIN_EXAMPLES, slice_metric
from pipeline.comparison.verdict import amount
from pipeline.metrics import Predicted

MAX_GROUPS = 3
"""Groups that are named in a sentence."""


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


def disagreement_in_words(names: tuple[str, str], first: TestPredictions, second: TestPredictions) -> str:
    """Says on how many examples two models differ, and in which groups one of them is better.

    Args:
        names: Of the two models.
        first: Answers, with the groups of the examples.
        second: Answers to the same examples in the same order.
    """
    metric, count = slice_metric(first.predicted.task), len(first.ids)
    groups = group_effects(first, second)
    apart = [
        f"{names[1]} is {'better' if row['difference'] > 0 else 'worse'} on {row['slice']} {row['value']} "
        f"(by {amount(metric, abs(row['difference']), unit=True)}, {row['examples']:,} examples)"
        for row in groups[groups["differs"]].head(MAX_GROUPS).to_dict("records")
    ]
    said = "; ".join(apart) or f"no group of {len(groups)} on which they differ more than chance explains"
    if first.predicted.task == "regression":
        return said
    return (
        f"{names[0]} and {names[1]} answer {len(differing(first, second)):,} of {count:,} examples differently; {said}"
    )


def differing(first: TestPredictions, second: TestPredictions) -> np.ndarray:
    """Rows of the examples that two models answer differently; of values, all."""
    a, b = first.predicted, second.predicted
    if a.task == "regression":
        return np.arange(len(first.ids))
    return np.flatnonzero((a.predictions != b.predictions).reshape(len(first.ids), -1).any(axis=1))


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
    differ = differing(first, second)
    rows = differ[np.argsort(-distance[differ], kind="stable")][:limit]
    answers = (a.labels, a.predictions, b.predictions)
    label, ours, theirs = ([label_in_words(values[row], first.classes) for row in rows] for values in answers)
    ids = [first.ids[row] for row in rows]
    return pd.DataFrame({"id": ids, "label": label, "first": ours, "second": theirs, "distance": distance[rows]})
