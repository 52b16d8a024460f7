"""Runs one recipe with several seeds: a run nested for each, and what the recipe scores over them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.comparison.predictions import FILE, TestPredictions
from pipeline.comparison.seeds import Spread, spread
from pipeline.environment import environment
from pipeline.errors import UserError
from pipeline.execution import RunResult, run
from pipeline.journal import Listener
from pipeline.recipe.load import dump_recipe
from pipeline.recipe.tree import Recipe
from pipeline.results import HIGH, LOW, TEST

if TYPE_CHECKING:
    from pipeline.tracking import Run, Tracking

PARENT = "mlflow.parentRunId"
"""MLflow's tag of a nested run."""

FOLDER = "seeds"
"""Of the run's artifacts: the predictions of each seed, `<seed>.parquet`."""

MIN_SEEDS = 2


@dataclass(frozen=True)
class SeedsResult:
    """A recipe that was trained with several seeds."""

    run_id: str
    """The parent run."""
    results: dict[int, RunResult]
    """Seed to its run."""
    spreads: dict[str, Spread]
    """Metric on the test set to its scores over the seeds."""


def run_seeds(recipe: Recipe, num_seeds: int, *, listener: Listener = lambda _: None) -> SeedsResult:
    """Trains and evaluates a recipe with the seeds from its own on; the data and its split are the same for all.

    Nothing is registered: the best of several seeds by the test set would be chosen by chance.

    Args:
        recipe: The recipe.
        num_seeds: Trainings, two at least.
        listener: As in `pipeline.execution.run`.

    Raises:
        UserError: For a mistake in the recipe, the data or the number of seeds.
    """
    if num_seeds < MIN_SEEDS:
        raise UserError(f"--seeds: expected {MIN_SEEDS} or more. Received: {num_seeds}")
    from pipeline.tracking import Tracking

    def say(text: str) -> None:
        listener({"kind": "say", "text": text})

    tracking = Tracking.open(recipe.tracking, experiment=recipe.name, base=Path.cwd(), say=say)
    results = {}
    with _tracked(tracking, f"{recipe.name} × {num_seeds} seeds", recipe) as parent:
        for seed in range(recipe.seed, recipe.seed + num_seeds):
            say(f"seed {seed}")
            seeded = Recipe.model_validate({**recipe.model_dump(by_alias=True), "seed": seed})
            with _tracked(tracking, f"{recipe.name} seed {seed}", seeded) as nested:
                nested.record("tags", values={PARENT: parent.id})
                results[seed] = run(seeded, until="evaluate", listener=listener, tracked=nested)
        spreads = _spreads(results)
        _record(parent, results, spreads)
    return SeedsResult(parent.id, results, spreads)


@contextmanager
def _tracked(tracking: "Tracking", name: str, recipe: Recipe) -> Iterator["Run"]:
    facts, files = environment(Path.cwd()), {"recipe.yaml": dump_recipe(recipe)}
    with tracking.run(name, params=recipe.flat(), environment=facts, artifacts=files) as tracked:
        yield tracked


def _predictions(result: RunResult) -> Path:
    return result.folder("evaluate") / "artifacts" / FILE


def _spreads(results: dict[int, RunResult]) -> dict[str, Spread]:
    answers = {seed: TestPredictions.read(_predictions(result)).ordered() for seed, result in results.items()}
    predicted = {seed: test.predicted for seed, test in answers.items()}
    return {metric: spread(metric, predicted) for metric in next(iter(answers.values())).metrics}


def _record(parent: "Run", results: dict[int, RunResult], spreads: dict[str, Spread]) -> None:
    """Logs mean and interval under the names of a single run's, and how far a seed moves each metric."""
    values: dict[str, float] = {}
    for metric, found in spreads.items():
        low, high = found.interval
        values |= {f"{TEST}{metric}": found.mean, f"{TEST}{metric}{LOW}": low, f"{TEST}{metric}{HIGH}": high}
        values |= {f"seeds/{metric}_deviation": found.deviation, f"seeds/{metric}_share": found.seed_share}
    parent.record("metrics", values=values, step=None)
    parent.record("tags", values={"seeds": ", ".join(map(str, results))})
    for seed, result in results.items():
        parent.log_artifact(_predictions(result), f"{FOLDER}/{seed}.parquet")
    parent.facts.note = "\n".join(f"- {found}" for found in spreads.values())
