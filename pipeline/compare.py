"""Compares tracked runs by what they answered on their test examples: verdicts, a page, a run of its own about it."""

import contextlib
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlflow.exceptions import MlflowException
from rich.console import Group
from rich.table import Table
from rich.text import Text

from pipeline.comparison.disagreement import disagreement_in_words
from pipeline.comparison.models import ModelComparison, compare_models
from pipeline.comparison.page import pictures, two_to_contrast, write_page
from pipeline.comparison.predictions import FILE, TestPredictions
from pipeline.comparison.seeds import seed_effects, spread
from pipeline.comparison.verdict import verdict
from pipeline.errors import UserError
from pipeline.recipe.tracking import TrackingConfig
from pipeline.runs import ENVIRONMENT, SHORT, Say, find_run, known_runs, open_existing, roots
from pipeline.tracking import RunFolder, RunRecord, Tracking, absolute_uri

EXPERIMENT = "comparisons"
"""Where the runs of comparisons lie."""

PREDICTIONS = f"evaluate/{FILE}"
"""Artifact of a run."""

SEEDS = "seeds"
"""Folder of a run's artifacts with the predictions of each seed, `<seed>.parquet`."""

Differences = dict[str, list[tuple[str, ...]]]
"""Recipe, data, code, environment: rows of a key and its value in each run; only what differs."""


@dataclass(frozen=True)
class Tested:
    """A run with its answers to the test examples."""

    record: RunRecord
    answers: Mapping[int, TestPredictions]
    """Seed to answers; of one training one."""

    @property
    def name(self) -> str:
        """Name and beginning of the id."""
        return f"{self.record.name} {self.record.id[:SHORT]}"

    @property
    def first(self) -> TestPredictions:
        """Answers of the first seed."""
        return next(iter(self.answers.values()))


@dataclass(frozen=True)
class RunsComparison:
    """Runs and how they compare."""

    runs: Sequence[Tested]
    models: ModelComparison
    """Of the first seed of each run."""

    @property
    def verdicts(self) -> list[str]:
        """Sentences, those over seeds first."""
        metric = self.models.metrics[0]
        several = {run.name: run for run in self.runs if len(run.answers) > 1}
        spreads = {
            name: spread(metric, {seed: test.ordered().predicted for seed, test in run.answers.items()})
            for name, run in several.items()
        }
        said = [f"{name}: {found}" for name, found in spreads.items()]
        pairs = seed_effects(metric, {name: found.scores for name, found in spreads.items()})
        return [*[verdict(found, num_seeds=needed) for found, needed in pairs], *said, *self.models.verdicts]

    @property
    def disagreement(self) -> str:
        """Where the two models disagree; of many, the two first ones."""
        first, second = two_to_contrast(self.models)
        return disagreement_in_words((first, second), self.models.models[first], self.models.models[second])

    @property
    def differences(self) -> Differences:
        """What differs between the runs."""
        records = [run.record for run in self.runs]
        tags = [record.tags for record in records]
        return {
            "recipe": _rows([record.params for record in records]),
            "data": _rows([_starting(each, ("data.",)) for each in tags]),
            "code": _rows([_starting(each, ("git.", "code.")) for each in tags]),
            "environment": _rows([_starting(each, ENVIRONMENT) for each in tags]),
        }


def compare_tested(uri: str | None, names: Sequence[str], *, say: Say = lambda _: None) -> RunsComparison:
    """Compares runs by their stored predictions.

    Args:
        uri: MLflow tracking URI; by default that of the working directory.
        names: Of each run its id, a unique beginning of it, or its name, of which the latest run is meant.
        say: Is told where the store does not answer.

    Raises:
        UserError: If there is no such run, one was not evaluated, or they cannot be compared.
    """
    records = list(known_runs(uri, None, say)[0])
    found = [find_run(records, name) for name in names]
    if len({record.id for record in found}) < len(found):
        raise UserError(f"expected different runs. Received: {', '.join(record.id[:SHORT] for record in found)}")
    tested = [Tested(record, read_answers(uri, record)) for record in found]
    return RunsComparison(tested, compare_models({run.name: run.first for run in tested}))


def read_answers(uri: str | None, record: RunRecord) -> dict[int, TestPredictions]:
    """Reads what a run answered on its test examples, by seed; from its folder here, else from the store.

    Raises:
        UserError: If it has no predictions.
    """
    place = absolute_uri(uri or TrackingConfig().uri, Path.cwd())
    for folder in (RunFolder(root / record.id) for root in roots(place)):
        if answers := _answers(folder.artifact(PREDICTIONS), folder.artifact(SEEDS), record):
            return answers
    with tempfile.TemporaryDirectory() as here:
        predictions, seeds = (_fetched(uri, record, artifact, here) for artifact in (PREDICTIONS, SEEDS))
        if answers := _answers(predictions, seeds, record):
            return answers
    raise UserError(
        f"{record.name} {record.id[:SHORT]}: expected a run that evaluated a model. It has no {PREDICTIONS} "
        f"({record.status.lower()})"
    )


def _fetched(uri: str | None, record: RunRecord, artifact: str, here: str) -> Path:
    """A copy of an artifact in the folder `here`, if the store has it."""
    with contextlib.suppress(MlflowException, OSError):
        return Path(open_existing(uri).client.download_artifacts(record.id, artifact, here))
    return Path(here, artifact)


def _answers(predictions: Path, seeds: Path, record: RunRecord) -> dict[int, TestPredictions]:
    files = {int(file.stem): file for file in seeds.glob("*.parquet")}
    if predictions.exists():
        files = {int(record.params.get("seed", 0)): predictions}
    return {seed: TestPredictions.read(files[seed]) for seed in sorted(files)}


def record_comparison(uri: str | None, comparison: RunsComparison, out: Path, *, say: Say = lambda _: None) -> str:
    """Writes the page about a comparison and logs it to a run of its own.

    Args:
        uri: As in `compare_tested`.
        comparison: What was found.
        out: HTML file to write.
        say: Is told where the store does not answer.

    Returns:
        Id of the run.
    """
    write_page(comparison.models, out, differences=comparison.differences, verdicts=comparison.verdicts)
    section = TrackingConfig(uri=uri) if uri else TrackingConfig()
    tracking = Tracking.open(section, experiment=EXPERIMENT, base=Path.cwd(), say=say)
    ids = {f"compared.{i}": run.record.id for i, run in enumerate(comparison.runs, 1)}
    name = " against ".join(run.name for run in comparison.runs)
    verdict = "\n".join([*comparison.verdicts, comparison.disagreement])
    with (
        tempfile.TemporaryDirectory() as here,
        tracking.run(name, params=ids, environment={}, artifacts={"verdict.txt": verdict}) as run,
    ):
        run.log_artifact(out, "comparison.html")
        for figure, picture in pictures(comparison.models).items():
            file = Path(here, f"{figure}.png")
            file.write_bytes(picture)
            run.log_artifact(file, file.name)
        run.facts.note = "\n".join(f"- {line}" for line in comparison.verdicts)
        return run.id


def comparison_lines(comparison: RunsComparison) -> Group:
    """Draws verdicts, where the models disagree, scores with intervals, and what differs, for the terminal."""
    names = [run.name for run in comparison.runs]
    caveat = [Text(comparison.models.caveat, "yellow")] if comparison.models.caveat else []
    scores = Table("model", *comparison.models.metrics, box=None, pad_edge=False, header_style="bold")
    for name in names:
        scores.add_row(name, *(str(found) for found in comparison.models.estimates[name].values()))
    blocks = comparison.differences
    tables = [_difference_table(title, rows, names) for title, rows in blocks.items() if rows]
    same = [title for title, rows in blocks.items() if not rows]
    note = [Text(f"the same in all: {', '.join(same)}", "dim")] if same else []
    said = [*comparison.verdicts, comparison.disagreement]
    return Group(*caveat, *(Text(line) for line in said), Text(), scores, Text(), *tables, *note)


def _difference_table(title: str, rows: Iterable[tuple[str, ...]], names: Sequence[str]) -> Table:
    table = Table(title, *names, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*map(Text, row))
    table.add_section()
    return table


def _starting(values: Mapping[str, str], prefixes: tuple[str, ...]) -> dict[str, str]:
    return {key: value for key, value in values.items() if key.startswith(prefixes)}


def _rows(sides: Sequence[Mapping[str, str]]) -> list[tuple[str, ...]]:
    """Keys that the sides do not share, with the value on each."""
    keys = sorted(set().union(*sides))
    rows = [(key, *(side.get(key, "–") for side in sides)) for key in keys]
    return [row for row in rows if len(set(row[1:])) > 1]
