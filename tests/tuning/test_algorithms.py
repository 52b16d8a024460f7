"""Every algorithm over images and a table, with real trainings: killed, it ends as one that was never killed."""

import os
from pathlib import Path

import pytest

from pipeline.recipe.load import load_recipe
from tests.tuning.test_search import killed_after, search
from tuning.study import Study
from tuning.workers import Workers

TRIALS = {"random": 2, "grid": 2, "bayesian": 4, "hyperband": 3, "asha": 3}
DATA = {"digits": {"type": "cnn", "filters": [4], "units": 0}, "breast_cancer": {"type": "mlp", "units": [4]}}


@pytest.fixture(scope="module")
def here(tmp_path_factory, place_store):
    """A folder whose prepared data the studies share."""
    folder, before = tmp_path_factory.mktemp("work"), Path.cwd()
    place_store(folder / "mlruns")
    os.chdir(folder)
    yield folder
    os.chdir(before)


def scores(study):
    """What came of each trial, and why the search ended."""
    trials = [(trial.job, trial.result.score, trial.result.epochs, trial.result.curve) for trial in study.trials()]
    return trials, study.reason()


@pytest.mark.slow
@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("algorithm", TRIALS)
def test_a_study_that_was_killed_ends_as_one_that_was_not(algorithm, data, here):
    rate = {"type": "float", "low": 1e-3, "high": 1e-1, "log": True}
    tree = {
        "name": data,
        "data": {"type": data},
        "model": DATA[data],
        "train": {"epochs": 3},
        "tracking": {"system_metrics": False},
        "tune": {
            "algorithm": algorithm,
            "objective": "val_accuracy",
            "trials": TRIALS[algorithm],
            "finalists": 0,
            "keep": 9,
            "space": {"train.optimizer.learning_rate": rate},
        },
    }
    recipe = load_recipe(tree)
    killed = Study.create(recipe)
    with killed_after(killed, 4):
        search(killed, Workers(1)).run()
    continued = Study.open(killed.name)
    search(continued, Workers(1)).run()
    # The twin trains in a folder of its own: no training of the other is taken from its cache.
    whole = Study.create(load_recipe({**tree, "tracking": {**tree["tracking"], "directory": "whole"}}))
    search(whole, Workers(1)).run()
    assert scores(continued) == scores(whole)
    trials = continued.trials()
    assert len(trials) == TRIALS[algorithm]
    assert all(trial.result.score is not None for trial in trials)
