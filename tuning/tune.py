"""`plumbline tune` from a recipe to `best.yaml`: the parts of a study joined."""

import functools
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.config import CustomConfig
from models.seeds import seed_for
from pipeline.environment import num_cores
from pipeline.errors import UserError
from pipeline.quiet import quiet_imports
from pipeline.recipe.load import dump_recipe, load_recipe
from pipeline.recipe.tree import Recipe
from pipeline.recipe.tune import searched_direction
from tuning.display import LiveView, print_outcome, print_schedule
from tuning.engine import Engine, Tell, open_engine
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
    recipe = _with_declared_space(recipe)
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


def _with_declared_space(recipe: Recipe) -> Recipe:
    """Adds what a Keras Tuner model declares to the space; ranges that the recipe has stay."""
    if recipe.tune is None or not isinstance(recipe.model, CustomConfig):
        return recipe
    with tempfile.TemporaryDirectory() as name:
        folder, here = Path(name), open_engine("local", 1, threads=1)
        (folder / "recipe.yaml").write_text(dump_recipe(recipe), encoding="utf-8")
        found = _run_alone(here, discover_space, folder / "recipe.yaml", folder / "space.json", folder / "log.txt")
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


def _run_alone(
    workers: Engine, work: Callable[[Path, Path, Tell], None], recipe: Path, out: Path, log: Path
) -> dict[str, Any]:
    """Runs a function of a recipe in a process and returns the JSON that it writes.

    Raises:
        UserError: If it writes an error, or dies.
    """
    worker = workers.start(functools.partial(work, recipe, out), log)
    while not (ended := list(workers.wait(1.0))) or ended[0].lost:
        if ended:
            worker = workers.start(functools.partial(work, recipe, out), log)
    if not out.exists():
        last = log.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
        raise UserError(f"the recipe as it stands cannot be trained: {workers.cause_of_death(worker)}. {last}")
    written: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    if "error" in written:
        out.unlink()
        raise UserError(str(written["error"]))
    return written


def _run(study: Study, space: Space, num_workers: int, budget_secs: float | None, engine: str) -> Tuned:
    section = study.recipe.tune
    assert section is not None
    with study.only_driver():
        workers = open_engine(engine, num_workers, threads=space.tree["train"]["threads"])
        try:
            with quiet_imports():
                from tuning.oracles import open_oracle
                from tuning.record import study_run
                from tuning.report import report
                from tuning.schedule import num_trials, plan_search
                from tuning.search import Search
            oracle = open_oracle(
                section.algorithm,
                space.hyperparameters(grid=section.algorithm == "grid"),
                direction=searched_direction(section),
                seed=seed_for(study.recipe.seed, "tune"),
                max_trials=num_trials(section),
                max_epochs=study.recipe.train.epochs,
                min_epochs=section.min_epochs,
                factor=section.factor,
            )
            schedule = plan_search(study.recipe, space, oracle)
            measured = _measure(study, space, workers)
            cores = num_cores() if engine == "local" else None
            print_schedule(study, space, schedule, measured, num_workers, budget_secs, cores=cores)
            with study_run(study) as recorded, LiveView(study, schedule) as view:
                finals = schedule.finals_secs(measured, num_workers)
                search = Search(study, space, oracle, workers, view, recorded, budget_secs, finals)
                reason = search.run()
                outcome = report(study, space, recorded, reason)
        except SystemExit:  # a signal
            print(f"stopped: `plumbline tune --resume {study.argument}` goes on", file=sys.stderr)
            raise
        finally:
            workers.stop()
        print_outcome(study, outcome, reason)
        return Tuned(study, reason)


def _measure(study: Study, space: Space, workers: Engine) -> dict[str, float]:
    """Measures the recipe as it stands, once in a study; what its trials share is collected and prepared by it."""
    file = study.folder / MEASURED
    if file.exists():
        known: dict[str, float] = json.loads(file.read_text(encoding="utf-8"))
        return known
    assert study.recipe.tune is not None
    given = space.recipe({}, tune=study.recipe.tune.model_dump(mode="json", exclude_none=True))
    recipe = study.folder / "measured.yaml"
    recipe.write_text(dump_recipe(given), encoding="utf-8")
    return _run_alone(workers, measure_recipe, recipe, file, study.folder / "log.txt")
