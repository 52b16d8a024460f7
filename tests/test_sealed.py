"""The test split is out of reach of every stage but evaluate: the others do their work while it is not there."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.examples import Examples
from pipeline.execution import run
from pipeline.journal import StageResult
from pipeline.manifest import ID
from pipeline.recipe.load import load_recipe
from pipeline.recipe.tree import Recipe
from pipeline.sealed import read_sealed
from pipeline.stages import STAGES, Stage, Work


@pytest.fixture
def recipe(here: Path) -> Recipe:
    model = {"type": "mlp", "units": [4]}
    return load_recipe({"name": "sealed", "data": {"type": "breast_cancer"}, "model": model, "train": {"epochs": 1}})


@pytest.mark.slow
def test_all_that_comes_before_evaluate_works_without_the_test_split_and_evaluate_does_not(recipe: Recipe) -> None:
    sealed = run(recipe, until="collect").folder("collect") / "sealed"
    away = sealed.rename(sealed.with_name("away"))
    trained = run(recipe, until="train")
    with pytest.raises(FileNotFoundError, match="sealed"):
        run(recipe, until="evaluate")
    away.rename(sealed)
    evaluated = run(recipe, until="evaluate")
    assert evaluated.folder("train") == trained.folder("train")
    prepared = evaluated.folder("preprocess")
    seen = {str(each) for split in ("train", "validation") for each in np.load(prepared / split / "id.npy")}
    assert not seen & set(read_sealed(sealed).column(ID).to_pylist())
    (looks,) = (Path("mlruns") / "looks").glob("*.jsonl")
    assert evaluated.run_id in looks.read_text()


def test_a_train_stage_that_reads_the_test_split_fails(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    def peek(work: Work) -> StageResult:
        Examples(work.folders["collect"] / "sealed" / "test.arrow")
        raise AssertionError("the test split was open")

    peeking: list[Stage] = [replace(stage, call=peek) if stage.name == "train" else stage for stage in STAGES]
    monkeypatch.setattr("pipeline.execution.STAGES", tuple(peeking))
    with pytest.raises(PermissionError, match=r"sealed/test\.arrow: .* The test split is read by evaluate alone"):
        run(recipe, until="train")
