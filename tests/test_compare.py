"""Runs compared by what they answered: found by name, read from disk or store, logged to a run about it."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from pipeline.compare import EXPERIMENT, _difference_table, compare_tested, comparison_lines, record_comparison
from pipeline.comparison.predictions import TestPredictions
from pipeline.errors import UserError
from pipeline.recipe.tracking import TrackingConfig
from pipeline.tracking import Tracking, open_store
from tests.comparison.examples import predicted

URI = TrackingConfig().uri
NUM_EXAMPLES = 300


def answers(path: Path, seed: int, noise: float) -> Path:
    ids = tuple(f"{i:03d}" for i in range(NUM_EXAMPLES))
    of = predicted("multiclass", NUM_EXAMPLES, seed=seed, noise=noise)
    groups = pd.DataFrame({"site": ["north", "south"] * (NUM_EXAMPLES // 2)})
    TestPredictions(ids, of, tuple("abcd"), ("accuracy", "log_loss"), groups).write(path)
    return path


def write_run(name: str, files: Mapping[str, Path], **params: object) -> str:
    tracking = Tracking.open(TrackingConfig(), experiment="tests", base=Path.cwd())
    with tracking.run(name, params=params, environment={"git.commit": name}, artifacts={}) as run:
        for artifact, file in files.items():
            run.log_artifact(file, artifact)
    return run.id


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, place_store: Callable[[Path], str]) -> Iterator[dict[str, str]]:
    """Three runs of one test set, one that was not evaluated, and two recipes over seeds; in the working directory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("runs"))
        place_store(Path("mlruns"))
        yield write_runs(Path.cwd())


def write_runs(tmp_path: Path) -> dict[str, str]:
    noises = {"good": 0.6, "bad": 1.2, "awful": 2.0}
    ids = {
        name: write_run(
            name, {"evaluate/predictions.parquet": answers(tmp_path / name, i, noise)}, seed=42, noise=noise
        )
        for i, (name, noise) in enumerate(noises.items())
    }
    for name, noise in (("wide", 0.6), ("narrow", 1.2)):
        files = {f"seeds/{seed}.parquet": answers(tmp_path / f"{name}{seed}", seed, noise) for seed in range(7)}
        ids[name] = write_run(name, files)
    return ids | {"untested": write_run("untested", {})}


def printed(comparison: object) -> str:
    console = Console(width=200, record=True)
    console.print(comparison)
    return console.export_text()


@pytest.mark.slow
def test_two_runs_get_a_verdict_and_what_differs_between_them(runs: dict[str, str]) -> None:
    found = compare_tested(None, ["bad", runs["good"][:12]])
    assert found.verdicts[0].startswith(f"good {runs['good'][:8]} is better than bad {runs['bad'][:8]} by ")
    assert found.differences["recipe"] == [("noise", "1.2", "0.6")]
    assert found.differences["code"] == [("git.commit", "bad", "good")]
    text = printed(comparison_lines(found))
    assert "is better than" in text
    assert f"of {NUM_EXAMPLES} examples differently; " in text
    assert "the same in all: data, environment" in text


def test_recipe_values_are_printed_as_they_are() -> None:
    text = printed(_difference_table("recipe", [("data.path", "[/data/a]", "[node]")], ["left", "right"]))
    assert "[/data/a]" in text
    assert "[node]" in text


def test_many_runs_are_ranked(runs: dict[str, str]) -> None:
    found = compare_tested(None, ["bad", "good", "awful"])
    assert found.verdicts[0].startswith(f"by accuracy, good {runs['good'][:8]} can be first; ")


@pytest.mark.slow
def test_recipes_over_seeds_are_compared_by_seed(runs: dict[str, str]) -> None:
    found = compare_tested(None, ["narrow", "wide"])
    assert found.verdicts[0].startswith(f"wide {runs['wide'][:8]} is better than narrow {runs['narrow'][:8]} by ")
    assert "(Wilcoxon's test, p = 0.016, 7 seeds)" in found.verdicts[0]
    assert "over 7 seeds, from 0." in found.verdicts[1]


@pytest.mark.slow
def test_answers_come_from_the_store_where_the_folders_of_the_runs_are_gone(
    runs: dict[str, str], tmp_path: Path
) -> None:
    here = compare_tested(None, ["bad", "good"])
    folders = Path("mlruns", "runs")
    away = folders.rename("moved")
    assert compare_tested(None, ["bad", "good"]).verdicts == here.verdicts
    away.rename(folders)


@pytest.mark.slow
def test_the_comparison_is_a_run_with_its_page(runs: dict[str, str], tmp_path: Path) -> None:
    found = compare_tested(None, ["bad", "good"])
    run_id = record_comparison(None, found, tmp_path / "comparison.html")
    assert "is better than" in (tmp_path / "comparison.html").read_text()
    client = open_store(URI, Path.cwd()).client
    run = client.get_run(run_id)
    assert client.get_experiment(run.info.experiment_id).name == EXPERIMENT
    assert run.data.params == {"compared.1": runs["bad"], "compared.2": runs["good"]}
    assert run.data.tags["mlflow.note.content"] == f"- {found.verdicts[0]}"
    assert {file.path for file in client.list_artifacts(run_id)} >= {
        *("comparison.html", "verdict.txt", "scores.png", "effects.png")
    }


def test_a_run_that_was_not_evaluated_is_refused(runs: dict[str, str]) -> None:
    with pytest.raises(UserError, match=r"untested .*: expected a run that evaluated a model. It has no evaluate/pred"):
        compare_tested(None, ["good", "untested"])


def test_a_run_is_not_compared_with_itself(runs: dict[str, str]) -> None:
    with pytest.raises(UserError, match="expected different runs"):
        compare_tested(None, ["good", runs["good"]])
