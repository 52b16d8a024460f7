"""The commands `plumbline tune`, `studies` and `study`; `pipeline/cli.py` finds them by their entry points."""

import json
import os
import signal
import sys

import click
from click.core import ParameterSource

from pipeline.cli import command
from pipeline.errors import UserError

directory = click.option(
    "--directory", default="mlruns", show_default=True, help="The recipe's `tracking.directory`, where studies lie."
)


@command
@click.argument("recipe", required=False)
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Trials at once.")
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="Where trials run: on this machine, or on the Ray cluster of RAY_ADDRESS.",
)
@click.option(
    "--budget",
    metavar="TIME",
    help="Wall time of the study, such as 30m or 1h30m: as many trials as fit, or --trials at most.",
)
@click.option("--trials", type=click.IntRange(1), help="Largest number of trials, in place of tune.trials.")
@click.option("--resume", "resumed", metavar="STUDY", help="Go on with a study that was stopped or killed.")
@directory
def tune(
    recipe: str | None,
    overrides: tuple[str, ...],
    workers: int,
    engine: str,
    budget: str | None,
    trials: int | None,
    resumed: str | None,
    directory: str,
) -> None:
    """Searches the `tune.space` of a recipe, and writes the best one found as best.yaml.

    Each trial is a training of its own recipe in a process of its own, judged on the validation split; the test set
    stays sealed. KEY=VALUE overrides any key of the recipe. A study that was stopped or killed goes on with
    --resume STUDY, and ends as if it never had been.
    """
    from pipeline.recipe.duration import duration_secs
    from pipeline.recipe.load import load_recipe
    from tuning import tune as tuning
    from tuning.study import Study

    budget_secs = duration_secs(budget) if budget else None
    if budget and budget_secs is None:
        raise UserError(f"--budget: expected a time such as 90s, 30m or 1h30m. Received: {budget!r}")
    if (recipe is None) == (resumed is None):
        raise UserError("expected a recipe, or --resume STUDY (plumbline studies lists them)")
    if resumed and trials:
        raise UserError("--trials: a study goes on with the number that it began with; leave it out")
    _stop_on_signals()
    if resumed:
        tuning.resume(Study.open(resumed, directory), workers=workers, budget_secs=budget_secs, engine=engine)
        return
    assert recipe is not None
    given = [*overrides, *([f"tune.trials={trials}"] if trials else [])]
    if click.get_current_context().get_parameter_source("directory") is not ParameterSource.DEFAULT:
        given.append(f"tracking.directory={json.dumps(directory)}")
    tuning.tune(load_recipe(recipe, given), workers=workers, budget_secs=budget_secs, engine=engine)


@command
@directory
def studies(directory: str) -> None:
    """Lists the studies of `plumbline tune`, oldest first."""
    from pipeline.terminal import console
    from tuning.display import studies_table
    from tuning.study import list_studies

    console().print(studies_table(list_studies(directory)))


@command
@click.argument("study")
@directory
def study(study: str, directory: str) -> None:
    """Shows the trials of a study, the best first, and why those without a score have none."""
    from tuning.display import print_study
    from tuning.study import Study

    print_study(Study.open(study, directory))


def _stop_on_signals() -> None:
    """Lets a search end cleanly: running trials leave their state, the study its events and what to go on with."""
    own = os.getpid()

    def stop(number: int, _: object) -> None:
        if os.getpid() != own:
            os._exit(128 + number)
        signal.signal(number, signal.SIG_DFL)
        sys.exit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, stop)
