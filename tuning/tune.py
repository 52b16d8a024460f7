"""`plumbline tune` from a recipe to `best.yaml`: the parts of a study joined."""

import contextlib
import json
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from models.config import CustomConfig
from pipeline.environment import num_cores
from pipeline.errors import UserError
from pipeline.imports import heavy_imports
from pipeline.recipe.load import dump_recipe, load_recipe
from pipeline.recipe.train import given_threads
from pipeline.recipe.tree import Recipe
from pipeline.whole import write_whole
from tuning.display import LiveView, print_outcome, print_schedule
from tuning.engine import Engine, Tell, open_engine
from tuning.errands import Errands
from tuning.remote_oracle import RemoteOracle
from tuning.schedule import BUDGETED_TRIALS, ENDLESS, plan_search
from tuning.space import Space
from tuning.study import Study

MEASURED = "measured.json"
"""File of a study that holds what its trainings will take."""


@dataclass(frozen=True)
class Tuned:
    """A study that has ended."""

    study: Study
    reason: str
    """Why the search stopped."""


def tune(recipe: Recipe, *, workers: int = 1, budget_secs: float | None = None, engine: str = "local") -> Tuned:
    """Searches the space of a recipe in a new study.

    Args:
        recipe: A recipe with a `tune` section.
        workers: Trials at once.
        budget_secs: Wall time of the study; None: no limit.
        engine: Where trials run: local or ray.

    Raises:
        UserError: For a mistake in the recipe or the data, before anything is trained.
    """
    recipe = _with_declared_space(with_threads(recipe, workers, engine))
    if budget_secs is not None:
        recipe = without_default_trials(recipe)
    space = _space(recipe)
    study = Study.create(recipe, budget_secs=budget_secs)
    try:
        return _run(study, space, workers, budget_secs, engine)
    except UserError:
        if not study.events:
            shutil.rmtree(study.folder)
        raise


def resume(study: Study, *, workers: int = 1, budget_secs: float | None = None, engine: str = "local") -> Tuned:
    """Goes on with a study that was stopped or killed.

    Args:
        study: The study.
        workers: Trials at once.
        budget_secs: Wall time of all its sessions; None: that of the last one.
        engine: Where trials run: local or ray.

    Raises:
        UserError: If another process has it, or its libraries have changed.
    """
    study.recipe = _on_threads(study.recipe, 1)  # one that began before studies divided the cores
    return _run(study, _space(study.recipe), workers, budget_secs or study.budget_secs, engine)


def _space(recipe: Recipe) -> Space:
    if recipe.tune is None:
        raise UserError(
            f"{recipe.name}: expected a `tune` section with a space, such as tune={{space: {{model.dropout: "
            "{type: float, low: 0.0, high: 0.6}}}. Received: none"
        )
    space = Space.of(recipe)
    if not space.parameters:
        raise UserError(f"{recipe.name}: tune.space: no condition holds, so that nothing is searched: {space.left_out}")
    space.refuse_impossible(recipe.name)
    return space


def with_threads(recipe: Recipe, workers: int, engine: str) -> Recipe:
    """Divides the cores among the trials, where the recipe does not say by a number on how many threads one computes.

    The number decides the last bits of every trial, so that the study keeps it, however many workers go on with it. On
    a Ray cluster a trial takes one processor.
    """
    return _on_threads(recipe, max(1, num_cores() // workers) if engine == "local" else 1)


def without_default_trials(recipe: Recipe) -> Recipe:
    """Leaves it to a budget to end the search where the recipe does not say after how many trials it ends.

    The study keeps that, so that it goes on where it is resumed with a larger one.
    """
    if recipe.tune is None or recipe.tune.trials or recipe.tune.algorithm not in ENDLESS:
        return recipe
    return recipe.model_copy(update={"tune": recipe.tune.model_copy(update={"trials": BUDGETED_TRIALS})})


def _on_threads(recipe: Recipe, count: int) -> Recipe:
    """A recipe that says on how many threads it computes: as it does, else on so many."""
    if given_threads(recipe.train):
        return recipe
    return recipe.model_copy(update={"train": recipe.train.model_copy(update={"threads": count})})


def _with_declared_space(recipe: Recipe) -> Recipe:
    """Adds what a Keras Tuner model declares to the space; ranges that the recipe has stay."""
    if recipe.tune is None or not isinstance(recipe.model, CustomConfig):
        return recipe
    with tempfile.TemporaryDirectory() as name:
        file, out, log = (Path(name, each) for each in ("recipe.yaml", "space.json", "log.txt"))
        file.write_text(dump_recipe(recipe), encoding="utf-8")
        (found,) = Errands(open_engine("local", 1, threads=1), discover_space, file, [out], log).results()
    tree = recipe.model_dump(by_alias=True, mode="json", exclude_none=True)
    tree["tune"]["space"] = found["space"] | tree["tune"]["space"]
    return load_recipe(tree)


def discover_space(recipe: Path, out: Path, tell: Tell) -> None:
    """Imports Keras only in the process that needs it."""
    from tuning.discovery import discover

    discover(recipe, out, tell)


def measure_recipe(recipe: Path, out: Path, tell: Tell) -> None:
    """Imports Keras only in the process that needs it."""
    from tuning.trial import measure

    measure(recipe, out, tell)


def _run(study: Study, space: Space, num_workers: int, budget_secs: float | None, engine: str) -> Tuned:
    with study.only_driver():
        with contextlib.ExitStack() as ending:
            workers = open_engine(engine, num_workers, threads=space.tree["train"]["threads"])
            ending.callback(workers.stop)
            try:
                # In this order: the processes start up while the store opens here.
                with heavy_imports():
                    from tuning.record import open_tracking, study_run
                tracking = open_tracking(study)
                measuring = _begin_measuring(study, space, workers)
                oracle = ending.enter_context(contextlib.closing(RemoteOracle(study.recipe, space)))
                with heavy_imports():
                    from tuning.search import Search
                assert study.recipe.tune is not None
                schedule = plan_search(study.recipe, space, oracle)
                measured = _measured(study, measuring)
                if budget_secs is not None and study.recipe.tune.trials == BUDGETED_TRIALS:
                    schedule = schedule.fitted(measured, num_workers, budget_secs)
                cores = num_cores() if engine == "local" else None
                print_schedule(study, space, schedule, measured, num_workers, budget_secs, cores=cores)
                with study_run(study, tracking) as recorded, LiveView(study, schedule, budget_secs) as view:
                    finals = schedule.finals_secs(measured, num_workers)
                    search = Search(study, space, oracle, workers, view, recorded, budget_secs, finals)
                    reason = search.run()
                    # Not before: what draws takes seconds to import, which the trials would lack.
                    with heavy_imports():
                        from tuning.report import report
                    outcome = report(study, space, recorded, reason)
            except SystemExit:  # a signal
                print(f"stopped: `plumbline tune --resume {study.argument}` goes on", file=sys.stderr)
                raise
        print_outcome(study, outcome, reason)
        return Tuned(study, reason)


def _begin_measuring(study: Study, space: Space, workers: Engine) -> Errands | None:
    """Measures the recipe as it stands, once in a study, in every place at once: trials share the processors too.

    What the trials share is collected and prepared by it.
    """
    if (study.folder / MEASURED).exists():
        return None
    assert study.recipe.tune is not None
    given = space.recipe({}, tune=study.recipe.tune.model_dump(mode="json", exclude_none=True))
    recipe = study.folder / "measured.yaml"
    recipe.write_text(dump_recipe(given), encoding="utf-8")
    outs = [study.folder / f"measured-{i}.json" for i in range(workers.num)]
    return Errands(workers, measure_recipe, recipe, outs, study.folder / "log.txt")


def _measured(study: Study, measuring: Errands | None) -> dict[str, float]:
    """What was measured: the median of the places."""
    file = study.folder / MEASURED
    if measuring:
        found = measuring.results()
        write_whole(file, json.dumps({key: median(each[key] for each in found) for key in found[0]}), durable=True)
    known: dict[str, float] = json.loads(file.read_text(encoding="utf-8"))
    return known
