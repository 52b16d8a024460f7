"""`train.on_sick: repair`: a run trains its recipe apart, repairs it if it is sick, and goes on with what came of it.

The main run's train stage is then the training that is kept, so that its curves are of one network; the sick training
and its repair are runs nested in it. What was chosen is kept like the result of a stage, under the key of the sick
training: the same recipe is not repaired twice.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.cache import Cache, Entry, Ingredients, code_hashes
from pipeline.diagnosed import UNDIAGNOSED
from pipeline.journal import Journal, Listener, StageResult
from pipeline.recipe.tree import Recipe
from pipeline.repair.changes import changed
from pipeline.repair.record import BEFORE, CHANGED, PROMOTED, RECIPE, VERDICT
from pipeline.repair.repair import repair_recipe
from pipeline.repair.trials import STOPPED, Trials, UndiagnosedError, in_words

if TYPE_CHECKING:
    from pipeline.tracking import Run

STAGE, REASON, FILE = "repair", "train.on_sick: repair", "choice.json"
"""Name of what is like a stage, why it runs, and where its folder says what was chosen."""


def choose(
    recipe: Recipe, train_key: str, *, cache: Cache, open_run: "Callable[[], Run]", listener: Listener
) -> tuple[Entry, bool]:
    """Trains a recipe, and repairs it if the training is sick; both are taken from the cache where nothing changed.

    Args:
        recipe: With `train.on_sick: repair`.
        train_key: Key of its train stage in the cache.
        cache: Has what was chosen before.
        open_run: Opens the main run, or returns it.
        listener: As in `pipeline.execution.run`.

    Returns:
        What was chosen, for `chosen_recipe`; and whether that had to be found out.

    Raises:
        NonFiniteLossError: If the loss became no number and no change helped.
    """
    ingredients = Ingredients({}, {"train": train_key}, code_hashes("pipeline.repair"), {})
    with cache.lock(STAGE, ingredients.key):
        if entry := cache.find(STAGE, ingredients.key):
            return entry, False
        run = open_run()
        with (
            cache.write(STAGE, ingredients, run.id) as writing,
            run.stage(STAGE, folder=writing.folder, reason=REASON, ingredients=ingredients) as tracked,
        ):
            journal = Journal(writing.folder / "journal.jsonl", (tracked.listener, listener))
            choice = _choose(recipe, run, writing.folder, journal)
            (writing.folder / FILE).write_text(json.dumps(choice), encoding="utf-8")
            writing.result = tracked.result = StageResult(ingredients.key, choice["summary"])
    assert writing.entry is not None
    return writing.entry, True


def chosen_recipe(recipe: Recipe, entry: Entry) -> Recipe:
    """The recipe to go on with, whose training is in the cache: the repaired one, or if there is none the same.

    Either has the `train.on_sick` under which it was trained.
    """
    choice = json.loads((entry.folder / FILE).read_text(encoding="utf-8"))
    return changed(recipe, choice["overrides"])[0]


def _choose(recipe: Recipe, run: "Run", out: Path, journal: Journal) -> dict[str, Any]:
    """Trains, repairs if need be, and says so in the main run."""
    before = Trials(changed(recipe, STOPPED)[0], run.tracking, run)
    try:
        sick = before.untouched()
    except UndiagnosedError:
        journal.set_tags({VERDICT: "not diagnosed"})
        return {"overrides": STOPPED, "summary": f"not diagnosed, so that nothing was repaired: {UNDIAGNOSED}"}
    if sick.healthy:
        journal.set_tags({VERDICT: "healthy"})
        return {"overrides": STOPPED, "summary": "the training is healthy: nothing was repaired"}
    found = repair_recipe(sick, say=journal.say)
    verdict, is_better = found.outcome.verdict, found.outcome.verdict in PROMOTED
    kept = found.outcome.best if is_better else sick
    overrides = {**kept.overrides, "train.on_sick": kept.result.recipe.train.on_sick}
    journal.set_tags({VERDICT: verdict, CHANGED: in_words(kept.overrides), BEFORE: sick.result.run_id})
    if found.text:
        file = out / "artifacts" / Path(RECIPE).name
        file.parent.mkdir(exist_ok=True)
        file.write_text(found.text, encoding="utf-8")
        journal.log_artifact(file)
    if not is_better and sick.result.folder is None:
        raise sick.result.error
    goes_on = "the run goes on with the repaired network" if is_better else "the run goes on with the SICK network"
    return {"overrides": overrides, "summary": f"{verdict}: {in_words(kept.overrides)} changed; {goes_on}"}
