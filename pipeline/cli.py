"""The `plumbline` command: parse, load, hand over."""

import errno
import functools
import os
import signal
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import click

from pipeline.errors import UserError
from pipeline.training.interruption import TrainingStoppedError

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EIO)
"""What a disk says that is full, read-only or broken."""

STOPPED = "stopped; stages that had ended are kept: the same command goes on from there"


class Commands(click.Group):
    """The commands here, and those that packages above this one add: entry points of the group `plumbline.commands`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands, sorted."""
        return sorted({*super().list_commands(ctx), *added_commands()})

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Finds a command; imports its module only if it is not one of those here."""
        if name not in self.commands and name in added_commands():
            added: click.Command = added_commands()[name].load()
            return added
        return super().get_command(ctx, name)


@functools.cache
def added_commands() -> dict[str, EntryPoint]:
    """Commands of other packages by name."""
    return {point.name: point for point in entry_points(group="plumbline.commands")}


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="plumbline")
def main() -> None:
    """Trains Keras models whose runs can be trusted: one recipe in, a model that serves out."""


def command(function: Callable[..., None]) -> click.Command:
    """Registers a command whose user mistakes end with one message and exit code 2, without a traceback."""

    @functools.wraps(function)
    def guarded(*args: Any, **options: Any) -> None:
        try:
            function(*args, **options)
        except UserError as error:
            click.echo(str(error), err=True)
            sys.exit(2)
        except OSError as error:
            if error.errno not in DISK_ERRORS:
                raise
            place = f"{error.filename}: " if error.filename else ""
            click.echo(
                f"{place}expected a disk that takes what is written. Received: {os.strerror(error.errno)}. "
                "Finished stages and checkpoints are kept: mend the disk and run the same command again",
                err=True,
            )
            sys.exit(2)
        except TrainingStoppedError as stopped:
            click.echo(stopped.message, err=True)
            raise
        except KeyboardInterrupt:
            click.echo(STOPPED, err=True)
            sys.exit(128 + signal.SIGINT)

    return main.command(name=function.__name__.rstrip("_").replace("_", "-"))(guarded)


recipe_arguments = [click.argument("recipe"), click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")]


def takes_recipe(function: Callable[..., None]) -> Callable[..., None]:
    """Adds the arguments that every command on a recipe has."""
    for argument in reversed(recipe_arguments):
        function = argument(function)
    return function


def stop_on_signals() -> None:
    """Lets SIGTERM and a closed terminal end a command as Ctrl-C does, tracking and servers closed."""

    def stop(number: int, _: object) -> None:
        click.echo(STOPPED, err=True)
        sys.exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, stop)


@command
@takes_recipe
@click.option("--force", multiple=True, metavar="STAGE", help="Run this stage even if nothing it depends on changed.")
@click.option("--until", metavar="STAGE", help="Stop after this stage.")
@click.option("--resume", is_flag=True, help="Go on with a training that was stopped; refuse to begin one.")
@click.option("--plan", "only_plan", is_flag=True, help="Say which stages would run and why; run nothing.")
@click.option("--seeds", type=int, help="Train and evaluate with so many seeds; register nothing.")
def run(
    recipe: str,
    overrides: tuple[str, ...],
    force: tuple[str, ...],
    until: str | None,
    resume: bool,
    only_plan: bool,
    seeds: int | None,
) -> None:
    """Runs a recipe: collect, preprocess, train, evaluate, register.

    Stages whose recipe keys, inputs, code and libraries did not change are taken from the cache. RECIPE is the name of
    a built-in recipe or a YAML file; KEY=VALUE overrides any of its keys, such as train.epochs=5. A run that was
    stopped or killed goes on when the same command is given again.
    """
    from pipeline.execution import plan
    from pipeline.execution import run as run_recipe
    from pipeline.recipe.load import load_recipe
    from pipeline.terminal import print_plan, print_result, terminal

    loaded = load_recipe(recipe, overrides)
    if only_plan:
        print_plan(plan(loaded, force=force, until=until))
        return
    stop_on_signals()
    if seeds is not None:
        from pipeline.seeds import run_seeds
        from pipeline.terminal import print_seeds

        if force or until or resume:
            raise UserError("--seeds: expected no --force, --until or --resume beside it: every seed is a whole run")
        print_seeds(run_seeds(loaded, seeds, listener=terminal()))
        return
    print_result(run_recipe(loaded, force=force, until=until, resume=resume, listener=terminal()))


@command
@takes_recipe
def plan(recipe: str, overrides: tuple[str, ...]) -> None:
    """Estimates what training a recipe costs: parameters, arithmetic, memory, time, disk.

    Collects and preprocesses, through the cache, and measures some training steps; trains nothing that is kept.
    `plumbline run --plan` says which stages would run.
    """
    from pipeline.recipe.load import load_recipe
    from pipeline.rehearsal import estimate_recipe
    from pipeline.terminal import console, terminal

    loaded = load_recipe(recipe, overrides)
    stop_on_signals()
    found = estimate_recipe(loaded, listener=terminal())
    from pipeline.compute.display import estimate_table

    console().print(estimate_table(found), highlight=False)


@command
@takes_recipe
def check(recipe: str, overrides: tuple[str, ...]) -> None:
    """Looks at a training before its first step: data, network, plan, and whether it can learn one batch by heart.

    Collects and preprocesses, through the cache. Ends with 3 if something should be mended.
    """
    from pipeline.checked import check_recipe
    from pipeline.terminal import terminal

    stop_on_signals()
    found = check_recipe(recipe, overrides, listener=terminal())
    click.echo(f"\n{found}\n\n{recipe}: {found.verdict}")
    if found.suggestion:
        others = (each for each in overrides if each.partition("=")[0] not in found.suggestion.overrides)
        click.echo(f"try: plumbline run {' '.join([recipe, *others, str(found.suggestion)])}")
    if not found.healthy:
        sys.exit(3)


@command
@takes_recipe
def validate(recipe: str, overrides: tuple[str, ...]) -> None:
    """Checks a recipe; says nothing expensive was wrong, or everything that is."""
    from pipeline.recipe.load import load_recipe

    loaded = load_recipe(recipe, overrides)
    path = getattr(loaded.data, "path", None)
    if path is not None and not Path(path).exists():
        raise UserError(f"{recipe}: data.path: expected a file or folder. There is none at {path}")
    length = f"{loaded.train.epochs} epochs" if loaded.train.budget is None else f"a budget of {loaded.train.budget}"
    click.echo(f"{recipe}: valid ({loaded.data.type} data, {loaded.model.type} model, {length})")


@command
@takes_recipe
def show(recipe: str, overrides: tuple[str, ...]) -> None:
    """Prints a recipe fully resolved: every key with its value. It is a recipe itself."""
    from pipeline.recipe.load import dump_recipe, load_recipe

    click.echo(dump_recipe(load_recipe(recipe, overrides)), nl=False)


@command
@click.argument("recipe", default="digits")
def init(recipe: str) -> None:
    """Prints a built-in recipe to start one's own from: plumbline init digits > mine.yaml."""
    from pipeline.recipe.errors import nearest
    from pipeline.recipe.source import built_in_recipes

    files = built_in_recipes()
    if recipe not in files:
        raise UserError(f"{recipe}: expected one of {', '.join(files)}{nearest(recipe, files)}")
    click.echo(files[recipe].read_text(encoding="utf-8"), nl=False)


@command
def recipes() -> None:
    """Lists the built-in recipes: what, how long, what to expect."""
    from pipeline.recipe.source import built_in_recipes

    for name, path in built_in_recipes().items():
        what, facts = path.read_text(encoding="utf-8").splitlines()[:2]
        click.echo(f"{name:16} {what.lstrip('# ')}\n{'':16} {facts.lstrip('# ').split(' Run:')[0]}")


@command
@click.option("--markdown", is_flag=True, help="Print the recipe reference (docs/recipe.md) instead.")
def schema(markdown: bool) -> None:
    """Prints the JSON Schema of recipes, for editors: plumbline schema > recipe.schema.json."""
    from pipeline.recipe.reference import json_schema, reference

    click.echo(reference() if markdown else json_schema(), nl=False)


@command
@takes_recipe
@click.option("--out", type=click.Path(path_type=Path), default="preview.png", help="The picture to write.")
def preview(recipe: str, overrides: tuple[str, ...], out: Path) -> None:
    """Draws a contact sheet of augmented training examples: images, or texts and rows in words."""
    from pipeline.execution import preview as draw
    from pipeline.recipe.load import load_recipe
    from pipeline.terminal import terminal

    loaded = load_recipe(recipe, overrides)
    out.parent.mkdir(parents=True, exist_ok=True)
    stop_on_signals()
    result = draw(loaded, out, listener=terminal())
    click.echo(f"wrote {out}, and to run {result.run_id}")


@command
@takes_recipe
@click.option("--out", type=click.Path(path_type=Path), default="lr_find.png", help="The picture to write.")
@click.option("--steps", type=click.IntRange(10), default=100, show_default=True, help="Training steps of the test.")
@click.option("--write", type=click.Path(path_type=Path), help="A recipe file to write, with the suggested rate in it.")
def lr_find(recipe: str, overrides: tuple[str, ...], out: Path, steps: int, write: Path | None) -> None:
    """Suggests a learning rate: trains for some steps while the rate grows, and looks where the loss falls."""
    from pipeline.execution import find_learning_rate
    from pipeline.recipe.load import dump_recipe, load_recipe
    from pipeline.terminal import terminal

    loaded = load_recipe(recipe, overrides)
    if write and write.exists():
        raise UserError(f"--write: expected a file that is not there yet. Received: {write}")
    out.parent.mkdir(parents=True, exist_ok=True)
    stop_on_signals()
    found, result = find_learning_rate(loaded, out, num_steps=steps, listener=terminal())
    override = f"train.optimizer.learning_rate={found.suggestion:g}"
    click.echo(f"steepest  {found.steepest:.2g}\nvalley    {found.valley:.2g}\nsuggests  {override}")
    click.echo(f"wrote {out}, and to run {result.run_id}")
    if write:
        write.write_text(dump_recipe(load_recipe(recipe, [*overrides, override])), encoding="utf-8")
        click.echo(f"wrote {write}")


@command
@takes_recipe
@click.option("--out", type=click.Path(path_type=Path), default="qualify.png", help="The picture to write.")
@click.option("--steps", type=click.IntRange(20), default=200, show_default=True, help="Training steps of each policy.")
@click.option(
    "--policy",
    type=click.Choice(["mixed_float16", "mixed_bfloat16"]),
    help="What to try beside float32; by default that of the recipe, or mixed_float16.",
)
def qualify(recipe: str, overrides: tuple[str, ...], out: Path, steps: int, policy: str | None) -> None:
    """Says whether to train in mixed precision: the same steps in it and in float32, paired."""
    from pipeline.recipe.load import load_recipe
    from pipeline.rehearsal import qualify_recipe
    from pipeline.terminal import console, terminal

    loaded = load_recipe(recipe, overrides)
    out.parent.mkdir(parents=True, exist_ok=True)
    stop_on_signals()
    found, run_id = qualify_recipe(loaded, out, policy=policy, num_steps=steps, listener=terminal())
    from pipeline.compute.display import qualification_table

    console().print(qualification_table(found), highlight=False)
    click.echo(f"{found.verdict}\nwrote {out}, and to run {run_id}")


def tracked(function: Callable[..., None]) -> Callable[..., None]:
    """Adds the option that says where the runs are."""
    return click.option("--uri", default=None, help="MLflow tracking URI; by default that of mlruns/ here.")(function)


def recorded(function: Callable[..., None]) -> Callable[..., None]:
    """Adds the option that says where runs are recorded on disk."""
    return click.option(
        "--directory",
        type=click.Path(path_type=Path),
        default="mlruns",
        show_default=True,
        help="Where the runs are recorded: the recipe's tracking.directory.",
    )(function)


def notice(text: str) -> None:
    """Says beside the output of a command what one should know of it."""
    click.echo(text, err=True)


@command
@tracked
@click.option("--experiment", default=None, help="Only the runs of this experiment.")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many runs, newest first.")
@click.option(
    "--status",
    type=click.Choice(["finished", "failed", "killed", "running"]),
    help="Only the runs that ended so, or go on.",
)
def runs(uri: str | None, experiment: str | None, limit: int, status: str | None) -> None:
    """Lists runs, newest first; where MLflow does not answer, those recorded here."""
    from pipeline.runs import list_runs, runs_table
    from pipeline.terminal import console

    wanted = status.upper() if status else None
    rows = list_runs(uri, experiment=experiment, status=wanted, limit=limit, say=notice)
    console().print(runs_table(rows))


@command
@click.argument("run")
@click.option("--steps", type=click.IntRange(1), help="How many steps to repeat; by default all, and what was kept.")
@recorded
def replay(run: str, steps: int | None, directory: Path) -> None:
    """Trains a run again and says whether it is identical, or where it first differs. RUN is an id or a name.

    Ends with 3 if it differs.
    """
    from pipeline.replay import replay as repeat

    found = repeat(directory, run, steps=steps)
    click.echo(found.text)
    if found.difference:
        sys.exit(3)


@command
@tracked
@click.argument("run")
def diagnose(uri: str | None, run: str) -> None:
    """Says what is wrong with a run's training, in which layer, since when, and what to change. RUN is an id or a name.

    Ends with 3 if it is sick.
    """
    from pipeline.diagnosed import diagnosed

    found = diagnosed(uri, run, say=notice)
    click.echo("\n".join(found.lines()))
    if found.sick:
        sys.exit(3)


@command
@tracked
@click.argument("run")
@click.option("--out", type=click.Path(path_type=Path), default="repaired.yaml", help="The recipe to write.")
@recorded
def repair(uri: str | None, run: str, out: Path, directory: Path) -> None:
    """Tries changes that fit the diagnosis of a sick run, beside an untouched control; writes the repaired recipe.

    Ends with 3 if the training could not be repaired.
    """
    from pipeline.repair.repair import repair_run

    stop_on_signals()
    found = repair_run(uri, run, directory=directory, say=click.echo)
    if found.text:
        out.write_text(found.text, encoding="utf-8")
        click.echo(f"wrote {out}: plumbline run {out}")
    if found.run_id:
        click.echo(f"run        {found.run_id}   both curves on a page: plumbline explain {run}")
    else:
        click.echo(found.outcome.verdict)
    if found.outcome.verdict not in ("healthy", "repaired"):
        sys.exit(3)


@command
@tracked
@click.argument("run")
@click.option("--out", type=click.Path(path_type=Path), default="explanation.html", help="The page to write.")
def explain(uri: str | None, run: str, out: Path) -> None:
    """Makes a page of what was wrong with a run and what repaired it: both curves, in words a student understands."""
    from pipeline.repair.explained import explain_run

    out.parent.mkdir(parents=True, exist_ok=True)
    run_id = explain_run(uri, run, out, say=notice)
    click.echo(f"wrote {out}, and to run {run_id}")


@command
@tracked
@click.argument("a")
@click.argument("b")
@click.argument("more", nargs=-1, metavar="[C]...")
@click.option("--out", type=click.Path(path_type=Path), default="comparison.html", help="The page to write.")
def compare(uri: str | None, a: str, b: str, more: tuple[str, ...], out: Path) -> None:
    """Says which run is better, if one is, and what differs: recipe, data, code. A, B and C are run ids or names.

    Runs are compared by what they answered on the test examples that all have: how much better, with interval and test,
    or how many examples it would take to know. Runs of several seeds are compared seed by seed.
    """
    from pipeline.compare import compare_tested, comparison_lines, record_comparison
    from pipeline.runs import compare_runs, comparison_table
    from pipeline.terminal import console

    try:
        found = compare_tested(uri, [a, b, *more], say=notice)
    except UserError as error:
        if more:
            raise
        differences = comparison_table(compare_runs(uri, a, b, say=notice))
        click.echo(f"no verdict: {error}")
        console().print(differences)
        return
    console().print(comparison_lines(found))
    out.parent.mkdir(parents=True, exist_ok=True)
    click.echo(f"wrote {out}, and to run {record_comparison(uri, found, out, say=notice)}")


@command
@click.argument("run", required=False)
@click.option("--all", "every", is_flag=True, help="Also runs that were sent whole: of a store that lost them.")
@click.option("--uri", default=None, help="Send to this MLflow store, instead of that of each run.")
@recorded
def sync(run: str | None, every: bool, uri: str | None, directory: Path) -> None:
    """Sends what MLflow lacks of the runs recorded here. RUN is an id or a name; by default all that have ended."""
    from pipeline.sync import sync as send

    if run and every:
        raise UserError(f"sync: expected the name of one run, or --all. Received: {run} --all")
    runs_sent = []
    for synced in send(directory, run, every=every, uri=uri):
        click.echo(f"{synced.id[:8]}  {synced.name}  {synced.num_sent} records sent")
        runs_sent.append(synced)
    problems = [f"{synced.id[:8]}  {synced.name}: {synced.problem}" for synced in runs_sent if synced.problem]
    if not runs_sent:
        click.echo("nothing to send: MLflow has all of every run that has ended")
    if problems:
        raise UserError("\n".join(problems))


@command
@tracked
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=5000, show_default=True, help="The next free port is taken if this one is in use.")
def ui(uri: str | None, host: str, port: int) -> None:
    """Opens the MLflow UI on the runs here."""
    from pipeline.ui import serve_ui

    stop_on_signals()
    serve_ui(uri, host=host, port=port)


@command
@tracked
@click.argument("model")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), default=None, help="Write a CSV file instead of printing.")
def predict(uri: str | None, model: str, path: Path, out: Path | None) -> None:
    """Predicts from raw input with a registered model.

    MODEL is a registered name, models:/NAME@champion, models:/NAME/3 or a run id. PATH is an image, a CSV, Parquet or
    JSON-lines file, a text file (a text a line), or a folder of images.
    """
    from pipeline.predict import predict as predict_file

    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
    answers = predict_file(model, path, tracking_uri=uri)
    if out is None:
        click.echo(answers.to_string(index=False))
    else:
        answers.to_csv(out, index=False)
        click.echo(f"wrote {out}")


if __name__ == "__main__":
    main()
