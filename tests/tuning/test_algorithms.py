"""Every algorithm over images and a table, with real trainings: killed, it ends as one that was never killed."""

import os
import shutil
from pathlib import Path

import pytest

from pipeline.recipe.load import load_recipe
from tests.tuning.test_search import Instant, killed_after, outcome, search
from tuning.study import Study
from tuning.workers import Workers

TRIALS = {"random": 2, "grid": 2, "bayesian": 4, "hyperband": 3, "asha": 3}
DATA = {"digits": {"type": "cnn", "filters": [4], "units": 0}, "breast_cancer": {"type": "mlp", "units": [4]}}


class Repeated(Instant):
    """Workers whose trainings end as those of another study did.

    Args:
        study: The other study.
    """

    def __init__(self, study):
        super().__init__()
        self.study = study

    def end(self, folder, out):
        shutil.copy2(self.study.folder / out.relative_to(out.parents[2]), out)


@pytest.fixture(scope="module")
def here(tmp_path_factory, place_store):
    """A folder whose prepared data the studies share."""
    folder, before = tmp_path_factory.mktemp("work"), Path.cwd()
    place_store(folder / "mlruns")
    os.chdir(folder)
    yield folder
    os.chdir(before)


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
    continued, whole = Study.open(killed.name), Study.create(recipe)
    search(continued, Workers(1)).run()
    search(whole, Repeated(continued)).run()
    assert outcome(continued) == outcome(whole)
    trials = continued.trials()
    assert len(trials) == TRIALS[algorithm]
    assert all(trial.result.score is not None for trial in trials)
