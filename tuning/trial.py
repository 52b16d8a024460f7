"""A trial in its own process: one training of an ordinary recipe, and a result that is written whole.

`evaluate` never runs: the test set stays sealed while recipes are chosen.
"""

import contextlib
import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from filelock import FileLock

from pipeline.continuation import PAUSE
from pipeline.diagnosis.record import DIAGNOSIS
from pipeline.environment import environment
from pipeline.errors import UserError
from pipeline.execution import RunResult, run
from pipeline.imports import heavy_imports
from pipeline.recipe.errors import RecipeError
from pipeline.recipe.load import dump_recipe, load_recipe
from pipeline.recipe.train import TrainConfig
from pipeline.recipe.tree import Recipe
from pipeline.whole import write_whole
from tuning.engine import Tell
from tuning.record import EPOCHS, OBJECTIVE, RUN_ID, SECONDS
from tuning.study import Result, read_rungs

if TYPE_CHECKING:
    from pipeline.compute.cost import Cost
    from pipeline.tracking import Run


def run_trial(folder: Path, out: Path, objective: str, direction: Literal["min", "max"], tell: Tell) -> None:
    """Trains the recipe of a trial and writes its result; failures are results with a cause.

    Args:
        folder: Folder of the trial, with `recipe.yaml`; keeps the id of its run, which all its rungs go on with.
        out: The file to write the result to.
        objective: Metric of an epoch that is the score, at its best epoch.
        direction: Whether it should be small or large.
        tell: Is given the objective of each epoch, with its number.
    """
    started = time.perf_counter()
    rungs = read_rungs(folder)
    earlier = sum(result.seconds for result in rungs)

    def listen(record: dict[str, Any]) -> None:
        if record["kind"] == "metrics" and record["step"] is not None and objective in record["values"]:
            tell({"epoch": record["step"], "objective": record["values"][objective]})

    try:
        recipe = load_recipe(folder / "recipe.yaml")
        with _tracked(recipe, folder) as tracked:
            if not rungs:
                # Before any other metric: MLflow's Compare view begins with the first one that all selected runs have.
                tracked.record("metrics", values={OBJECTIVE: math.nan}, step=None)
            try:
                finished = run(recipe, until="train", listener=listen, tracked=tracked)
                result = score(finished, objective, direction)
            except Exception as error:
                _record(tracked, failure(error), earlier + time.perf_counter() - started)
                raise
            _record(tracked, result, earlier + time.perf_counter() - started)
    except Exception as error:
        result = failure(error)
    seconds = time.perf_counter() - started
    write_whole(out, json.dumps(asdict(replace(result, seconds=seconds))) + "\n", durable=True)


def measure(recipe_file: Path, out: Path, _: Tell) -> None:
    """Collects and preprocesses what the trials share, and measures training steps of the recipe as it stands.

    Args:
        recipe_file: The recipe.
        out: JSON file to write: `epoch_secs`, `start_secs` (building and compiling), `trial_bytes` (weights, and the
            state at the end); or `error`.
    """
    from pipeline.rehearsal import estimate_recipe

    recipe = load_recipe(recipe_file)
    try:
        # Or two who measure would do a stage each, in runs of their own.
        with FileLock(recipe_file.with_suffix(".lock")):
            run(recipe, until="preprocess")
        started = time.perf_counter()
        found = estimate_recipe(recipe)
        elapsed = time.perf_counter() - started
    except UserError as error:
        write_whole(out, json.dumps({"error": str(error)}), durable=True)
        return
    steps = float(found.training_step.secs.sum() + found.validation_step.secs.sum())
    measured = {
        "epoch_secs": found.epoch_secs,
        "start_secs": max(0.0, elapsed - steps),
        "trial_bytes": _left_bytes(found.cost, recipe.train),
    }
    write_whole(out, json.dumps(measured), durable=True)


def _left_bytes(cost: "Cost", section: TrainConfig) -> int:
    """What a training leaves: the network, and in its state the weights once more, the optimiser and copies of them."""
    copies = (section.on_sick != "ignore") + (section.averaging is not None)
    stopping = cost.parameter_bytes if section.early_stopping else 0
    return 2 * cost.parameter_bytes + cost.optimizer_bytes + copies * cost.gradient_bytes + stopping


@contextlib.contextmanager
def _tracked(recipe: Recipe, folder: Path) -> Iterator["Run"]:
    """The run of a trial, nested in that of the study; a trial that goes on, goes on with its run."""
    from pipeline.tracking import Tracking

    tracking = Tracking.open(recipe.tracking, experiment=recipe.name, base=Path.cwd())
    with tracking.run(
        f"{recipe.name} {folder.name}",
        params={key: value for key, value in recipe.flat().items() if key != PAUSE},  # it moves from rung to rung
        environment=environment(Path.cwd()),
        artifacts={"recipe.yaml": dump_recipe(recipe)},
        id_file=folder / RUN_ID,
        shipping=None,
    ) as tracked:
        yield tracked


def _record(tracked: "Run", result: Result, seconds: float) -> None:
    """Puts what came of a trial into its run."""
    values = {OBJECTIVE: math.nan if result.score is None else result.score, SECONDS: seconds}
    if result.epochs:
        values[EPOCHS] = result.epochs
    tracked.record("metrics", values=values, step=None)
    tracked.record("tags", values=result.tags)


def score(finished: RunResult, objective: str, direction: Literal["min", "max"]) -> Result:
    """Reads the objective off the history of a training.

    Raises:
        UserError: If the training has no such metric.
    """
    trained = finished.outcomes[-1]
    epochs = json.loads((trained.entry.folder / "history.json").read_text(encoding="utf-8"))["epochs"]
    if objective not in epochs[0]:
        computed = ", ".join(name for name in epochs[0] if name not in ("epoch", "learning_rate"))
        raise UserError(f"tune.objective: expected one of {computed}. Received: {objective!r}")
    curve = tuple(epoch[objective] for epoch in epochs)
    finite = [value for value in curve if math.isfinite(value)]
    if not finite:
        return Result("failed", cause=f"nan: {objective} is no number in any epoch", epochs=len(curve))
    best = min(finite) if direction == "min" else max(finite)
    sick = sickness(trained.entry.folder)
    return Result(
        "stopped" if sick else "scored",
        score=best,
        cause=sick,
        epochs=len(curve),
        best_epoch=epochs[curve.index(best)]["epoch"],
        run_id=finished.run_id,
        weights=str(trained.entry.folder) if trained.ran else "",
        curve=curve,
    )


def sickness(trained: Path) -> str:
    """Why the diagnosis stopped a training: its gravest finding in one line; empty where it did not.

    Args:
        trained: Folder of the train stage.
    """
    file = trained / "artifacts" / DIAGNOSIS
    if not file.exists():
        return ""
    tree = json.loads(file.read_text(encoding="utf-8"))
    if not tree["stopped"]:
        return ""
    critical = next(finding for finding in tree["findings"] if finding["severity"] == "critical")
    return f"{critical['symptom']}, epoch {critical['called_epoch']}: {critical['message']}"


def failure(error: Exception) -> Result:
    """The result of a training that ended with an error: its kind, and the first line of what it says."""
    with heavy_imports():
        import tensorflow as tf

        from pipeline.training.callbacks import NonFiniteLossError

    message = (str(error).strip().splitlines() or [""])[0]
    # A user's function that runs out of memory has its error wrapped in those about the function and the recipe.
    if any(isinstance(each, (MemoryError, tf.errors.ResourceExhaustedError)) for each in _causes(error)):
        return Result("failed", cause=f"out of memory: {message}")
    # A full disk, or a lock that another process holds, says nothing of the point.
    if any(isinstance(each, OSError) for each in _causes(error)):
        return Result("failed", cause=f"{type(error).__name__}: {message}")
    match error:
        case NonFiniteLossError():
            return Result("failed", cause=f"nan: {message}")
        case RecipeError():
            return Result("invalid", cause=said(error))
        case UserError():
            return Result("invalid", cause=message)
    return Result("failed", cause=f"{type(error).__name__}: {message}")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and those that it was raised from."""
    while error:
        yield error
        error = error.__cause__


def said(error: RecipeError) -> str:
    """The problems of a recipe in one line, without the place: a point has none."""
    return "; ".join(f"{each.key}: {each.message}" if each.key else each.message for each in error.problems)
