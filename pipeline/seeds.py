"""Runs one recipe with several seeds: a run nested for each, and what the recipe scores over them."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.comparison.paired import Effect, effects
from pipeline.comparison.predictions import FILE, TestPredictions
from pipeline.comparison.resampling import SEED
from pipeline.comparison.seeds import Spread, spread
from pipeline.diagnosed import DIAGNOSIS
from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.record import Tree, finding_to_tree
from pipeline.diagnosis.rules.poor_optimum import PoorOptimum
from pipeline.diagnosis.siblings import stuck
from pipeline.errors import UserError
from pipeline.execution import RunResult, run
from pipeline.journal import Listener
from pipeline.nested import SEEDS, recorded_run
from pipeline.recipe.tree import Recipe
from pipeline.repair.advice import Advice
from pipeline.reporting import reported
from pipeline.results import HIGH, LOW, TEST

if TYPE_CHECKING:
    from pipeline.tracking import Run

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
    pairs: list[Effect]
    """Each pair of seeds by the first metric, p-values corrected for their number."""
    stuck: dict[int, Finding]
    """Seeds that ended far worse than the others, with what is said of them."""

    @property
    def told_apart(self) -> str:
        """Which seeds gave models that can be told apart."""
        metric = next(iter(self.spreads)).replace("_", " ")
        apart = [f"{each.first} and {each.second}" for each in self.pairs if each.distinguishable]
        found = f"seeds {', '.join(apart)} can be told apart" if apart else "no two seeds can be told apart"
        return f"{found} by {metric} (pairs: {len(self.pairs)}, corrected for their number)"

    @property
    def warnings(self) -> list[str]:
        """What is said of the seeds that are stuck."""
        return [
            f"seed {seed}: {each.symptom}: {each.message} {each.shown_remedies[0].call}"
            for seed, each in self.stuck.items()
        ]


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
    name = f"{recipe.name} × {num_seeds} seeds"
    with recorded_run(tracking, name, recipe) as parent, reported(lambda: parent):
        for seed in range(recipe.seed, recipe.seed + num_seeds):
            say(f"seed {seed}")
            seeded = Recipe.model_validate({**recipe.model_dump(by_alias=True), "seed": seed})
            with recorded_run(tracking, f"{recipe.name} seed {seed}", seeded, parent=parent.id) as nested:
                results[seed] = _run_seed(seeded, nested, listener)
        found = _compare(parent.id, results)
        _record(parent, found)
    return found


def _run_seed(recipe: Recipe, nested: "Run", listener: Listener) -> RunResult:
    with reported(lambda: nested):
        return run(recipe, until="evaluate", listener=listener, tracked=nested)


def _predictions(result: RunResult) -> Path:
    return result.folder("evaluate") / "artifacts" / FILE


def _compare(run_id: str, results: dict[int, RunResult]) -> SeedsResult:
    answers = {seed: TestPredictions.read(_predictions(result)).ordered() for seed, result in results.items()}
    metrics = next(iter(answers.values())).metrics
    spreads = {metric: spread(metric, {seed: test.predicted for seed, test in answers.items()}) for metric in metrics}
    pairs = effects(metrics[0], {str(seed): test.predicted for seed, test in answers.items()}, seed=SEED)
    trees = {seed: _diagnosis(result) for seed, result in results.items()}
    found = stuck({seed: tree for seed, tree in trees.items() if tree})
    return SeedsResult(
        run_id, results, spreads, pairs, {seed: _advised(results[seed], each) for seed, each in found.items()}
    )


def _diagnosis(result: RunResult) -> Tree | None:
    """Of a seed's training, where it was diagnosed."""
    file = result.folder("train") / "artifacts/diagnosis.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None


def _advised(result: RunResult, finding: Finding) -> Finding:
    (advised,) = Advice.of(result.recipe, result.folder("collect"))([finding])
    return advised


def _record(parent: "Run", found: SeedsResult) -> None:
    """Logs mean and interval under the names of a single run's, and how far a seed moves each metric."""
    values: dict[str, float] = {}
    for metric, over in found.spreads.items():
        low, high = over.interval
        values |= {f"{TEST}{metric}": over.mean, f"{TEST}{metric}{LOW}": low, f"{TEST}{metric}{HIGH}": high}
        values |= {f"seeds/{metric}_deviation": over.deviation, f"seeds/{metric}_share": over.seed_share}
    tags = {SEEDS: ", ".join(map(str, found.results))}
    parent.record("metrics", values=values, step=None)
    parent.record("tags", values=tags)
    parent.facts.metrics |= values
    parent.facts.tags |= tags
    for seed, result in found.results.items():
        parent.log_artifact(_predictions(result), f"{FOLDER}/{seed}.parquet")
    if found.stuck:
        parent.record("tags", values={"diagnosis.status": "sick", "diagnosis.symptoms": PoorOptimum.symptom})
        parent.log_text(json.dumps(_tree(found), indent=1) + "\n", DIAGNOSIS)
    lines = (*map(str, found.spreads.values()), found.told_apart, *found.warnings)
    parent.facts.note = "\n".join(f"- {line}" for line in lines)


def _tree(found: SeedsResult) -> Tree:
    """The diagnosis of all seeds: that of the first that is stuck, with what is said of each."""
    tree = _diagnosis(found.results[next(iter(found.stuck))])
    assert tree
    said = [replace(each, message=f"Seed {seed}: {each.message}") for seed, each in found.stuck.items()]
    return {**tree, "status": "sick", "findings": [finding_to_tree(each) for each in said]}
