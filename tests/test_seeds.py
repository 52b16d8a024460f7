"""One recipe over seeds: nested runs of one test set, their mean and spread on record, nothing registered."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline import seeds
from pipeline.cli import main
from pipeline.compare import compare_tested
from pipeline.errors import UserError
from pipeline.nested import PARENT
from pipeline.recipe.load import load_recipe
from pipeline.recipe.tree import Recipe
from pipeline.seeds import run_seeds
from pipeline.tracking import open_store


@pytest.fixture
def recipe(here: Path) -> Recipe:
    model = {"type": "mlp", "units": [4]}
    return load_recipe({"name": "cells", "data": {"type": "breast_cancer"}, "model": model, "train": {"epochs": 1}})


@pytest.mark.slow
def test_seeds_are_nested_runs_whose_mean_and_spread_are_the_parents(recipe: Recipe, here: Path) -> None:
    found = run_seeds(recipe, 2)
    scores = {seed: result.test_metrics["accuracy"] for seed, result in found.results.items()}
    assert list(scores) == [recipe.seed, recipe.seed + 1]
    assert found.results[recipe.seed].folder("collect") == found.results[recipe.seed + 1].folder("collect")
    assert found.results[recipe.seed].folder("train") != found.results[recipe.seed + 1].folder("train")
    assert found.spreads["accuracy"].scores == scores
    assert [(pair.first, pair.second) for pair in found.pairs] == [tuple(map(str, scores))]
    assert found.told_apart.endswith("by accuracy (pairs: 1, corrected for their number)")

    client = open_store(recipe.tracking.uri, here).client
    parent = client.get_run(found.run_id)
    assert parent.data.metrics["test/accuracy"] == pytest.approx(sum(scores.values()) / 2)
    assert parent.data.metrics["test/accuracy_low"] < parent.data.metrics["test/accuracy_high"]
    assert parent.data.metrics["seeds/accuracy_deviation"] == pytest.approx(found.spreads["accuracy"].deviation)
    nested = client.search_runs([parent.info.experiment_id], f"tags.`{PARENT}` = '{found.run_id}'")
    assert {run.data.params["seed"] for run in nested} == {str(seed) for seed in scores}
    assert not client.search_registered_models()
    report = (here / "mlruns" / "runs" / found.run_id / "artifacts" / "report.html").read_text(encoding="utf-8")
    assert "<h3>How far the seed moves it</h3>" in report
    assert "plumbline run recipe.yaml --seeds 2" in report

    again = run_seeds(recipe, 2)
    assert not any(result.ran for result in again.results.values())
    verdicts = compare_tested(None, [found.run_id, again.run_id]).verdicts
    assert "are not distinguishable on 2 seeds" in verdicts[0]
    assert "over 2 seeds" in verdicts[1]


@pytest.mark.slow
def test_a_seed_that_is_stuck_is_the_diagnosis_of_the_run_of_all(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = load_recipe(recipe.model_dump(by_alias=True, exclude_none=True, mode="json"), ["train.epochs=5"])
    skills, stuck = {42: 0.9, 43: 0.1, 44: 1.0}, seeds.stuck
    monkeypatch.setattr(seeds, "stuck", lambda found: stuck({s: found[s] | {"skill": skills[s]} for s in found}))
    found = run_seeds(recipe, 3)
    assert found.warnings[0].startswith("seed 43: poor_optimum: ")
    assert found.warnings[0].endswith(" Try seed=44")
    told = CliRunner().invoke(main, ["diagnose", "cells × 3 seeds"])
    assert told.exit_code == 3, told.output
    assert "poor_optimum, since " in told.output
    assert "  Seed 43: This seed came 10% of the way" in told.output
    assert "  - seed=44: " in told.output
    refused = CliRunner().invoke(main, ["repair", "cells × 3 seeds"])
    assert refused.exit_code == 2
    assert "expected a run of one training. cells × 3 seeds is of seeds 42, 43, 44" in refused.output
    own = CliRunner().invoke(main, ["diagnose", found.results[43].run_id])
    assert own.output.startswith("cells seed 43 ")


def test_one_seed_is_no_spread(recipe: Recipe) -> None:
    with pytest.raises(UserError, match=r"--seeds: expected 2 or more. Received: 1"):
        run_seeds(recipe, 1)
