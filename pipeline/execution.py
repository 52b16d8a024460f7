"""Walks a recipe through the stages: each is taken from the cache or run, and the whole is one tracked run."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.cache import Cache, Entry, Ingredients
from pipeline.errors import UserError
from pipeline.imports import heavy_imports
from pipeline.journal import Journal, Listener, read_journal
from pipeline.manifest import Manifest
from pipeline.recipe.checks import Known, check
from pipeline.recipe.errors import RecipeError, nearest
from pipeline.recipe.load import dump_recipe, load_recipe
from pipeline.recipe.train import given_threads, step_by_step
from pipeline.recipe.tree import Recipe
from pipeline.results import scores_on_test
from pipeline.stages import NAMES, STAGES, Stage, Work, training_setup

if TYPE_CHECKING:
    from pipeline.continuation import Continuation
    from pipeline.lr_find import RangeTest
    from pipeline.tracking import Run, Tracking


@dataclass(frozen=True)
class Planned:
    """What would become of one stage."""

    name: str
    action: str
    """`run`, `reuse`, or `decide` where that depends on what an earlier stage will give."""
    reason: str


@dataclass(frozen=True)
class Outcome:
    """What became of one stage."""

    name: str
    ran: bool
    reason: str
    entry: Entry


@dataclass(frozen=True)
class RunResult:
    """A finished run of a recipe."""

    recipe: Recipe
    outcomes: tuple[Outcome, ...]
    run_id: str
    """Run that holds the results, an earlier one where nothing had to run; MLflow's id if the store was there."""
    metrics: dict[str, float] = field(default_factory=dict)
    """Last value of every metric that the stages logged, such as `test/accuracy` and `best/epoch`."""
    tags: dict[str, str] = field(default_factory=dict)
    """Facts that are not numbers, such as `registered.version`."""

    @property
    def ran(self) -> bool:
        """Whether any stage had to run."""
        return any(outcome.ran for outcome in self.outcomes)

    @property
    def test_metrics(self) -> dict[str, float]:
        """Metrics on the test set, by their plain names."""
        return scores_on_test(self.metrics)

    @property
    def model(self) -> str:
        """The registered model in words, such as `digits 3 (champion)`; empty before register."""
        from pipeline.tracking.note import registered_as

        return registered_as(self.tags)

    @property
    def report(self) -> Path:
        """The page about the run."""
        from pipeline.reporting import REPORT

        return Path(self.recipe.tracking.directory) / "runs" / self.run_id / "artifacts" / REPORT

    def folder(self, stage: str) -> Path:
        """The folder that a stage wrote."""
        return next(outcome.entry.folder for outcome in self.outcomes if outcome.name == stage)


def run(
    recipe: Recipe | str | Path | dict[str, Any],
    overrides: Sequence[str] = (),
    *,
    force: Iterable[str] = (),
    until: str | None = None,
    resume: bool = False,
    listener: Listener = lambda _: None,
    tracked: "Run | None" = None,
) -> RunResult:
    """Runs a recipe; stages of which nothing changed are taken from the cache.

    Args:
        recipe: A loaded recipe, the name of a built-in one, the path of a YAML file, or a tree.
        overrides: `dotted.key=value`, as on the command line.
        force: Stages to run whatever the cache holds.
        until: Last stage to run; by default all.
        resume: Whether to refuse to begin a training where none is there to go on from.
        listener: Called with what happens: records of kind `stage`, and those of the stages' journals.
        tracked: An open run to record to, whose report is left to whoever opened it; by default one is opened when the
            first stage has to run.

    Raises:
        UserError: For a mistake in the recipe, the data or the arguments; nothing is lost.
    """
    recipe = recipe if isinstance(recipe, Recipe) else load_recipe(recipe, overrides)
    stages, forced = _until(until), frozenset(_stage_names(force))
    walk = _Walk(recipe, forced, listener, tracked)
    walk.resume = resume
    with heavy_imports():
        from pipeline.reporting import reported
    with walk.tracked(), reported(lambda: None if tracked else walk.run):
        for stage in stages:
            walk.step(stage)
    return walk.result()


def plan(recipe: Recipe, *, force: Iterable[str] = (), until: str | None = None) -> list[Planned]:
    """Says what `run` would do with each stage and why; runs nothing, writes at most hashes of source files."""
    stages, forced = _until(until), frozenset(_stage_names(force))
    cache = Cache(Path(recipe.tracking.directory))
    fingerprints, planned = {"source": _source_fingerprint(recipe, cache)}, list[Planned]()
    undecided = ""
    for stage in stages:
        if undecided:
            planned.append(Planned(stage.name, "decide", f"depends on what {undecided} gives"))
            continue
        if stage.name == "train" and recipe.train.on_sick == "repair":
            planned.append(Planned(stage.name, "decide", "train.on_sick: repair: depends on how the training goes"))
            undecided = stage.name
            continue
        ingredients = stage.ingredients(recipe, fingerprints)
        entry = None if stage.name in forced else cache.find(stage.name, ingredients.key)
        outdated = stage.outdated(recipe, entry) if entry else None
        if entry and outdated is None:
            planned.append(Planned(stage.name, "reuse", _why_reused(entry)))
            fingerprints[stage.name] = entry.result.fingerprint
        else:
            why = outdated or _why_run(stage, ingredients, cache, recipe, forced)
            found = _find_continuation(stage, ingredients, cache, recipe, forced)
            why = why if found is None or isinstance(found, str) else found.reason
            planned.append(Planned(stage.name, "run", why))
            undecided = stage.name
    return planned


def preview(recipe: Recipe, out: Path, *, listener: Listener = lambda _: None) -> RunResult:
    """Draws a contact sheet of augmented training images, once collected and preprocessed, to a file and to a run.

    Args:
        recipe: A recipe of images with transforms to look at.
        out: The PNG to write; it is logged to a run of its own, under the recipe that it shows.
        listener: As in `run`.

    Raises:
        UserError: If there is nothing to preview; before anything runs where the recipe says so.
    """
    if not recipe.augment:
        raise UserError("augment: expected one or more transforms to preview. Received: none. Add one to the recipe")
    walk = _Walk(recipe, frozenset(), listener)
    with walk.tracked():
        for stage in _until("preprocess"):
            walk.step(stage)
        walk.draw_preview(out)
    return walk.result()


def find_learning_rate(
    recipe: Recipe, out: Path, *, num_steps: int, listener: Listener = lambda _: None
) -> "tuple[RangeTest, RunResult]":
    """Runs the learning-rate range test of a recipe, once collected and preprocessed, and draws it to a file and a run.

    Args:
        recipe: The recipe to find a learning rate for.
        out: The PNG to write; it is logged to a run of its own.
        num_steps: Training steps of the test.
        listener: As in `run`.

    Raises:
        UserError: If the loss falls at no rate.
    """
    walk = _Walk(recipe, frozenset(), listener)
    with walk.tracked():
        for stage in _until("preprocess"):
            walk.step(stage)
        found = walk.test_range(out, num_steps)
    return found, walk.result()


class _Walk:
    """One pass over the stages, with the tracked run that opens when the first stage has to run."""

    def __init__(self, recipe: Recipe, forced: frozenset[str], listener: Listener, run: "Run | None" = None):
        self.recipe, self.forced, self.listener = recipe, forced, listener
        self.resume = False
        """Whether to refuse to begin a training where none is there to go on from."""
        _make_folder(recipe.tracking.directory)
        self.cache = Cache(Path(recipe.tracking.directory))
        self.fingerprints = {"source": _source_fingerprint(recipe, self.cache)}
        self.outcomes: list[Outcome] = []
        self.run = run
        self._stack = contextlib.ExitStack()

    @contextlib.contextmanager
    def tracked(self) -> Iterator[None]:
        """Closes the tracked run in the state that fits how the block was left.

        Where nothing had to run the store is opened all the same: runs that were killed are closed at every start.
        """
        with self._stack:
            yield
            if self.run is None:
                self._open_store()

    def step(self, stage: Stage) -> None:
        """Takes a stage from the cache or runs it."""
        ingredients = stage.ingredients(self.recipe, self.fingerprints)
        if stage.name == "train" and self.recipe.train.on_sick == "repair":
            self._repair_if_sick(ingredients.key)
            ingredients = stage.ingredients(self.recipe, self.fingerprints)
        with self.cache.lock(stage.name, ingredients.key):
            entry = self.cache.find(stage.name, ingredients.key)
            outdated = stage.outdated(self.recipe, entry) if entry else None
            if entry and outdated is None and stage.name not in self.forced:
                outcome = self._reuse(stage, entry)
            else:
                why = outdated or _why_run(stage, ingredients, self.cache, self.recipe, self.forced)
                found = self._continuation(stage, ingredients)
                why = found.reason if found else why
                outcome = Outcome(stage.name, True, why, self._execute(stage, ingredients, why, found))
        self.cache.remember(self.recipe.name, stage.name, outcome.entry)
        self.fingerprints[stage.name] = outcome.entry.result.fingerprint
        self.outcomes.append(outcome)
        if stage.name == "collect":
            self._know_data()

    def draw_preview(self, out: Path) -> None:
        """Draws the contact sheet of the stages walked so far and logs it to the tracked run."""
        with heavy_imports():
            from pipeline.preview import contact_sheet

        run = self.run or self._open_run()
        contact_sheet(self.result().folder("preprocess"), self.recipe.augment, seed=self.recipe.seed, out=out)
        run.log_file(out, "preview")

    def test_range(self, out: Path, num_steps: int) -> "RangeTest":
        """Runs the range test on what the stages walked so far gave, and logs its picture to the tracked run."""
        with heavy_imports():
            from pipeline.lr_find import range_test
            from pipeline.training.assemble import assemble

        run = self.run or self._open_run()
        setup = training_setup(self.recipe, self.result().folder("preprocess"))
        assembled = assemble(replace(setup, section=step_by_step(setup.section)))
        found = range_test(assembled, num_steps=num_steps)
        found.draw(out)
        run.log_file(out, "lr_find")
        return found

    def result(self) -> RunResult:
        """What the stages gave, from their journals."""
        metrics: dict[str, float] = {}
        tags: dict[str, str] = {}
        for outcome in self.outcomes:
            for record in read_journal(outcome.entry.folder / "journal.jsonl"):
                if record["kind"] == "metrics":
                    metrics |= record["values"]
                elif record["kind"] == "tags":
                    tags |= record["values"]
        run_id = self.run.id if self.run else self.outcomes[-1].entry.run_id
        return RunResult(self.recipe, tuple(self.outcomes), run_id, metrics, tags)

    def _repair_if_sick(self, train_key: str) -> None:
        """Trains the recipe apart, and goes on with one that trains."""
        from pipeline.repair.within import REASON, STAGE, choose, chosen_recipe

        def open_run() -> "Run":
            run = self.run or self._open_run()
            self.listener({"kind": "stage", "name": STAGE, "status": "runs", "reason": REASON})
            return run

        entry, ran = choose(self.recipe, train_key, cache=self.cache, open_run=open_run, listener=self.listener)
        status, summary = "ran" if ran else "reused", entry.result.summary
        told = {"reason": REASON, "summary": summary, "seconds": entry.seconds}
        self.listener({"kind": "stage", "name": STAGE, "status": status, **told})
        if not ran and self.run:
            self.run.replay(STAGE, entry)
        self.outcomes.append(Outcome(STAGE, ran, REASON, entry))
        self.recipe = chosen_recipe(self.recipe, entry)

    def _reuse(self, stage: Stage, entry: Entry) -> Outcome:
        reason = _why_reused(entry)
        self._tell(stage, "reused", reason, summary=entry.result.summary)
        if self.run:
            self.run.replay(stage.name, entry)
        return Outcome(stage.name, False, reason, entry)

    def _execute(self, stage: Stage, ingredients: Ingredients, reason: str, found: "Continuation | None") -> Entry:
        self._tell(stage, "runs", reason)
        run = self.run or self._open_run(found.run_id if found and found.is_same else None)
        origin = found.folder if found and not found.is_same else None
        with (
            self.cache.write(stage.name, ingredients, run.id, keeps=stage.keeps, origin=origin) as writing,
            run.stage(stage.name, folder=writing.folder, reason=reason, ingredients=ingredients) as tracked,
        ):
            journal = Journal(writing.folder / "journal.jsonl", (tracked.listener, self.listener))
            folders = {outcome.name: outcome.entry.folder for outcome in self.outcomes}
            key = None if self.cache.find(stage.name, ingredients.key) else ingredients.key
            work = Work(self.recipe, folders, writing.folder, journal, run, key)
            with heavy_imports():
                _set_threads(self.recipe)
                import_module(stage.module)
            writing.result = tracked.result = stage.call(work)
        assert writing.entry is not None
        self._tell(stage, "ran", reason, summary=writing.entry.result.summary, seconds=writing.entry.seconds)
        return writing.entry

    def _continuation(self, stage: Stage, ingredients: Ingredients) -> "Continuation | None":
        """What the stage goes on from; None: it begins.

        Raises:
            UserError: If nothing fits and the user asked to go on.
        """
        if stage.name in self.forced:
            self.cache.discard(stage.name, ingredients.key)
        found = _find_continuation(stage, ingredients, self.cache, self.recipe, self.forced)
        if not isinstance(found, str | None):
            return found
        if self.resume and stage.keeps:
            raise UserError(f"--resume: expected an unfinished training to go on from. Received: {found or 'none'}")
        if found:
            self.listener({"kind": "say", "text": found})
        return None

    def _open_run(self, run_id: str | None = None) -> "Run":
        from pipeline.environment import environment

        self.run = self._stack.enter_context(
            self._open_store().run(
                self.recipe.name,
                params=self.recipe.flat(),
                environment=environment(Path.cwd()),
                artifacts={"recipe.yaml": dump_recipe(self.recipe)},
                run_id=run_id,
            )
        )
        for outcome in self.outcomes:
            self.run.replay(outcome.name, outcome.entry)
        if self.outcomes:
            self._know_data()
        return self.run

    def _open_store(self) -> "Tracking":
        with heavy_imports():
            from pipeline.tracking import Tracking

        def say(text: str) -> None:
            self.listener({"kind": "say", "text": text})

        return Tracking.open(self.recipe.tracking, experiment=self.recipe.name, base=Path.cwd(), say=say)

    def _know_data(self) -> None:
        """Checks the recipe again, now that kind and task are certain; tells the tracked run of the data."""
        manifest = Manifest.load(self.outcomes[0].entry.folder / "development" / "manifest.json")
        problems = check(self.recipe, Known(manifest.kind, manifest.task, manifest.has_categories))
        if problems:
            raise RecipeError(problems, {"": f"{self.recipe.name} (its data is known now)"})
        if self.run:
            self.run.log_data(self.recipe.data.type, manifest)

    def _tell(self, stage: Stage, status: str, reason: str, **more: object) -> None:
        self.listener({"kind": "stage", "name": stage.name, "status": status, "reason": reason, **more})


def _set_threads(recipe: Recipe) -> None:
    """Takes the recipe's number of threads over before a stage starts TensorFlow, which reads it once."""
    if count := given_threads(recipe.train):
        from pipeline.compute.threads import set_threads

        set_threads(count)


def _make_folder(directory: str) -> None:
    try:
        Path(directory).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"tracking.directory: expected a folder that can be written. Received: {directory} ({error.strerror})"
        ) from error


def _source_fingerprint(recipe: Recipe, cache: Cache) -> str:
    from pipeline.collect import source_fingerprint

    return source_fingerprint(recipe.data, stat_cache=cache.source_hashes)


def _why_run(stage: Stage, ingredients: Ingredients, cache: Cache, recipe: Recipe, forced: frozenset[str]) -> str:
    if stage.name in forced:
        return "forced"
    last = cache.last(recipe.name, stage.name)
    if last is None:
        return "first run of this recipe"
    return "; ".join(ingredients.changes_since(last.ingredients)) or "its output is no longer there"


def _find_continuation(
    stage: Stage, ingredients: Ingredients, cache: Cache, recipe: Recipe, forced: frozenset[str]
) -> "Continuation | str | None":
    """What a stage would go on from, or why not, or None."""
    if stage.keeps is None or stage.name in forced:
        return None
    from pipeline.continuation import find_continuation

    return find_continuation(cache, stage.name, stage.keeps, ingredients, recipe.train)


def _why_reused(entry: Entry) -> str:
    return f"nothing it depends on has changed since run {entry.run_id[:8]}"


def _stage_names(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        if name not in NAMES:
            raise UserError(f"expected a stage: {', '.join(NAMES)}. Received: {name!r}{nearest(name, NAMES)}")
        yield name


def _until(last: str | None) -> tuple[Stage, ...]:
    if last is None:
        return STAGES
    (name,) = _stage_names([last])
    return STAGES[: NAMES.index(name) + 1]
