"""How much each searched key matters: permutation importance on a random forest over the trials (Breiman 2001)."""

import json
from dataclasses import dataclass

import numpy as np

from pipeline.recipe.tune import Float, Int, ParameterConfig
from tuning.space import Point, Space
from tuning.study import Trial

MIN_TRIALS = 10
"""Trials with a score below which nothing is said."""

NUM_TREES = 200
NUM_REPEATS = 20


@dataclass(frozen=True)
class Importance:
    """What the scores depend on."""

    shares: dict[str, float]
    """Searched key to its share of the importance, the largest first; they add up to 1."""
    explained: float
    """Share of the variance of scores that the forest explains for trials it has not seen (out of bag, R²)."""


def importance(trials: list[Trial], space: Space) -> Importance | None:
    """Estimates it from the trials with a score; None if there are too few, or their scores say nothing.

    How long a trial was trained is one of the forest's inputs, so that it is not taken for an effect of the keys.
    """
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.inspection import permutation_importance

    scored = [(trial.job.point, trial.result) for trial in trials if trial.result and trial.result.score is not None]
    if len(scored) < MIN_TRIALS:
        return None
    keys = list(space.parameters)
    columns = [[encode(space.parameters[key], point, key) for key in keys] for point, _ in scored]
    inputs = np.column_stack([np.array(columns), [np.log(result.epochs) for _, result in scored]])
    scores = np.array([result.score for _, result in scored])
    forest = RandomForestRegressor(NUM_TREES, oob_score=True, random_state=0).fit(inputs, scores)
    found = permutation_importance(forest, inputs, scores, n_repeats=NUM_REPEATS, random_state=0)
    means = np.maximum(found.importances_mean[:-1], 0)
    if means.sum() == 0:
        return None
    shares = dict(zip(keys, (means / means.sum()).tolist(), strict=True))
    return Importance(dict(sorted(shares.items(), key=lambda item: -item[1])), float(forest.oob_score_))


def encode(parameter: ParameterConfig, point: Point, key: str) -> float:
    """A value as a number: logarithms of logarithmic ranges, places of choices; -1 where the key is not active."""
    if key not in point:
        return -1.0
    value = point[key]
    if isinstance(parameter, Int | Float):
        return float(np.log(value)) if parameter.log else float(value)
    values = [False, True] if parameter.type == "boolean" else list(parameter.values)
    marked = [json.dumps(each, default=list) for each in values]
    return float(marked.index(json.dumps(value, default=list)))
