"""Runs in the terminal: the list of them, and what differs between two."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from itertools import islice
from pathlib import Path

from rich.console import Group
from rich.table import Table
from rich.text import Text

from pipeline.errors import UserError
from pipeline.recipe.errors import nearest
from pipeline.recipe.tracking import TrackingConfig
from pipeline.results import is_bound
from pipeline.tracking import (
    ERROR,
    RunFolder,
    RunRecord,
    Store,
    StoreAwayError,
    absolute_uri,
    champion_versions,
    open_store,
    read_folder,
    read_runs,
    run_folders,
    sqlite_file,
    tagged_runs,
    unsent_folders,
)
from pipeline.tracking.folder import RUN_TAG

Say = Callable[[str], None]

SHORT = 8
"""Characters of a run id or a fingerprint that are shown."""

STYLES = {"FINISHED": "green", "FAILED": "red", "KILLED": "red", "RUNNING": "yellow"}
ENVIRONMENT = ("python", "platform", "library.", "hardware.")
"""Tags, or beginnings of tags, that tell the environment of a run."""


@dataclass(frozen=True)
class RunRow:
    """One run in the list."""

    id: str
    """The first characters of the run id; any unique beginning names a run."""
    name: str
    status: str
    started: datetime
    """In UTC."""
    seconds: float | None
    """Wall time; None while it runs."""
    metrics: dict[str, float]
    """Those under `test/`; without them, those under `best/`."""
    data: str
    """The first characters of the data's fingerprint; empty if none was collected."""
    registered: str
    """The registered model, such as `digits 3 (champion)`; empty if there is none."""
    reason: str
    """One line on why it did not finish; empty if it did, or goes on."""


@dataclass(frozen=True)
class Difference:
    """One thing that two runs do not share."""

    key: str
    left: str | None
    """None: this run does not have it."""
    right: str | None


@dataclass(frozen=True)
class MetricPair:
    """One metric of two runs."""

    key: str
    left: float | None
    right: float | None

    @property
    def difference(self) -> float | None:
        """Right minus left, if both have the metric."""
        return None if self.left is None or self.right is None else self.right - self.left


@dataclass(frozen=True)
class Comparison:
    """What differs between two runs; all their metrics."""

    left: RunRecord
    right: RunRecord
    recipe: list[Difference]
    data: list[Difference]
    code: list[Difference]
    environment: list[Difference]
    metrics: list[MetricPair]


def list_runs(
    uri: str | None = None,
    *,
    experiment: str | None = None,
    status: str | None = None,
    limit: int = 20,
    say: Say = lambda _: None,
) -> list[RunRow]:
    """Lists pipeline runs, newest first.

    Args:
        uri: MLflow tracking URI; by default that of the working directory.
        experiment: Name of an experiment; by default all of them.
        status: FINISHED, FAILED, KILLED or RUNNING; by default all of them.
        limit: How many runs at most.
        say: Is told where the store does not answer and the runs are those recorded here.

    Raises:
        UserError: If there is neither a store nor a run recorded here, or no such experiment.
    """
    records, champions = known_runs(uri, experiment, say)
    chosen = (record for record in records if status in (None, record.status))
    return [_row(record, champions) for record in islice(chosen, limit)]


def compare_runs(uri: str | None, a: str, b: str, *, say: Say = lambda _: None) -> Comparison:
    """Finds what differs between two runs in recipe, data, code, environment and metrics.

    Args:
        uri: MLflow tracking URI; by default that of the working directory.
        a: The left run: its id, a unique beginning of it, or a name, of which the latest run is meant.
        b: The right run.
        say: As in `list_runs`.

    Raises:
        UserError: If there is neither a store nor a run recorded here, or no such run.
    """
    records = list(known_runs(uri, None, say)[0])
    return compare_records(find_run(records, a), find_run(records, b))


def known_runs(
    uri: str | None, experiment: str | None = None, say: Say = lambda _: None
) -> tuple[Iterator[RunRecord], dict[str, str]]:
    """Finds the runs of a store and those recorded here that it lacks, or lacks a part of; newest first.

    Args:
        uri: MLflow tracking URI; by default that of the working directory.
        experiment: Name of an experiment; by default all of them.
        say: As in `list_runs`.

    Returns:
        The runs, and of each registered model the version that serves; of none if the store does not answer.

    Raises:
        UserError: If there is neither a store nor a run recorded here, or no such experiment.
    """
    place = absolute_uri(uri or TrackingConfig().uri, Path.cwd())
    try:
        store = open_existing(uri)
    except UserError as error:
        here = [folder for root in roots(place) for folder in run_folders(root)]
        records = _recorded(here, place, experiment)
        if not records:
            raise
        say(f"{error.said if isinstance(error, StoreAwayError) else error}. These are the runs recorded here")
        return iter(records), {}
    unsent = _recorded([folder for root in roots(place) for folder in unsent_folders(root)], place, experiment)
    ids = {record.id for record in unsent}
    stored = (record for record in read_runs(store, experiment) if record.id not in ids)
    return merge(stored, unsent, key=lambda record: record.started, reverse=True), champion_versions(store)


def runs_with(uri: str | None, tag: str, value: str) -> list[RunRecord]:
    """Finds the runs with a tag, nested ones too, newest first; if the store does not answer, those recorded here."""
    try:
        return list(tagged_runs(open_existing(uri), tag, value))
    except UserError:
        place = absolute_uri(uri or TrackingConfig().uri, Path.cwd())
        here = _recorded((folder for root in roots(place) for folder in run_folders(root)), place, None)
        return [record for record in here if record.tags.get(tag) == value]


def roots(uri: str) -> list[Path]:
    """Where the folders of a store's runs may lie: in the default directory, and beside a sqlite file."""
    beside = sqlite_file(uri)
    return list(
        dict.fromkeys([Path.cwd() / TrackingConfig().directory / "runs", *([beside.parent / "runs"] if beside else [])])
    )


def _recorded(folders: Iterable[RunFolder], uri: str, experiment: str | None) -> list[RunRecord]:
    """The runs of these folders that are meant for a store, newest first."""
    records = [read_folder(folder) for folder in folders if folder.header.uri == uri]
    chosen = [record for record in records if experiment in (None, record.experiment)]
    return sorted(chosen, key=lambda record: record.started, reverse=True)


def open_existing(uri: str | None) -> Store:
    """Opens a store to read from; a sqlite file is not created.

    Raises:
        UserError: If there is no such store, or it does not answer.
    """
    return open_store(uri or TrackingConfig().uri, Path.cwd(), create=False)


def find_run(records: Sequence[RunRecord], text: str) -> RunRecord:
    """Finds a run by its id, a unique beginning of it, or its name.

    Args:
        records: Runs, newest first.
        text: What names the run.

    Raises:
        UserError: If no run is named so, or several ids begin so.
    """
    named = [record for record in records if record.name == text]
    if named:
        return named[0]
    matches = [record for record in records if record.id.startswith(text)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        ids = ", ".join(record.id[: len(text) + 4] for record in matches)
        raise UserError(f"{text}: expected the beginning of one run's id. Received that of {len(matches)}: {ids}")
    known = dict.fromkeys(name for record in records for name in (record.name, record.id[:SHORT]))
    raise UserError(f"{text}: expected the id or the name of a run (see `plumbline runs`){nearest(text, known)}")


def named_run(uri: str | None, text: str, say: Say = lambda _: None) -> RunRecord:
    """Finds a run as `find_run` does; one nested in another, as a trial or a seed is, by its whole id.

    Args:
        uri: MLflow tracking URI; by default that of the working directory.
        text: What names the run.
        say: As in `list_runs`.

    Raises:
        UserError: If there is no such run.
    """
    try:
        return find_run(list(known_runs(uri, None, say)[0]), text)
    except UserError:
        nested = runs_with(uri, RUN_TAG, text)
        if not nested:
            raise
        return nested[0]


def compare_records(left: RunRecord, right: RunRecord) -> Comparison:
    """Finds what differs between two records."""

    def tags(*prefixes: str) -> list[Difference]:
        return _differences(_starting(left.tags, prefixes), _starting(right.tags, prefixes))

    return Comparison(
        left,
        right,
        recipe=_differences(left.params, right.params),
        data=tags("data."),
        code=tags("git.", "code."),
        environment=tags(*ENVIRONMENT),
        metrics=[
            MetricPair(key, left.metrics.get(key), right.metrics.get(key))
            for key in sorted(left.metrics | right.metrics, key=_by_importance)
        ],
    )


def runs_table(rows: Iterable[RunRow]) -> Table:
    """Draws the list of runs."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    rows = list(rows)
    titles = ("id", "name", "status", "when", "took", "results", "data", "registered")
    for title in titles:
        table.add_column(title, justify="right" if title == "took" else "left", overflow="fold")
    if any(row.reason for row in rows):
        table.add_column("why", no_wrap=True, overflow="ellipsis", max_width=50)
    for row in rows:
        table.add_row(
            row.id,
            row.name,
            Text(row.status.lower(), STYLES.get(row.status, "")),
            row.started.astimezone().strftime("%Y-%m-%d %H:%M"),
            _duration(row.seconds),
            "  ".join(f"{key.removeprefix('test/')} {value:.4g}" for key, value in row.metrics.items()),
            row.data,
            row.registered,
            *([Text(row.reason)] if len(table.columns) > len(titles) else []),
        )
    return table


def comparison_table(comparison: Comparison) -> Group:
    """Draws what differs, one block for each of recipe, data, code, environment and metrics."""
    left, right = (f"{record.name} {record.id[:SHORT]}" for record in (comparison.left, comparison.right))
    blocks = {
        "recipe": comparison.recipe,
        "data": comparison.data,
        "code": comparison.code,
        "environment": comparison.environment,
    }
    same = [title for title, differences in blocks.items() if not differences]
    tables = [_differences_table(title, rows, left, right) for title, rows in blocks.items() if rows]
    note = [Text(f"the same in both: {', '.join(same)}", "dim")] if same else []
    return Group(*tables, *note, _metrics_table(comparison.metrics, left, right))


def _row(record: RunRecord, champions: Mapping[str, str]) -> RunRow:
    metrics = _under(record.metrics, "test/") or _under(record.metrics, "best/")
    metrics = {key: value for key, value in metrics.items() if not is_bound(key, metrics)}
    return RunRow(
        id=record.id[:SHORT],
        name=record.name,
        status=record.status,
        started=record.started,
        seconds=record.seconds,
        metrics=metrics,
        data=record.tags.get("data.fingerprint", "")[:SHORT],
        registered=_registered(record.tags, champions),
        reason=record.tags.get(ERROR, "") if record.status in ("FAILED", "KILLED") else "",
    )


def _registered(tags: Mapping[str, str], champions: Mapping[str, str]) -> str:
    """The version that a run registered, and whether it is the one that serves now."""
    if "registered.version" not in tags:
        return ""
    name, version = tags["registered.name"], tags["registered.version"]
    return f"{name} {version}" + (" (champion)" if champions.get(name) == version else "")


def _under(metrics: Mapping[str, float], prefix: str) -> dict[str, float]:
    return {key: value for key, value in metrics.items() if key.startswith(prefix)}


def _starting(tags: Mapping[str, str], prefixes: tuple[str, ...]) -> dict[str, str]:
    return {key: value for key, value in tags.items() if key.startswith(prefixes)}


def _differences(left: Mapping[str, str], right: Mapping[str, str]) -> list[Difference]:
    return [
        Difference(key, left.get(key), right.get(key))
        for key in sorted({**left, **right})
        if left.get(key) != right.get(key)
    ]


def _by_importance(key: str) -> tuple[int, str]:
    """Results on the test split first, then the best epoch, then all else."""
    order = ("test/", "best/")
    return next((i for i, prefix in enumerate(order) if key.startswith(prefix)), len(order)), key


def _differences_table(title: str, differences: Iterable[Difference], left: str, right: str) -> Table:
    table = Table(title, left, right, box=None, pad_edge=False, header_style="bold")
    for row in differences:
        table.add_row(*(Text("–" if value is None else value) for value in (row.key, row.left, row.right)))
    table.add_section()
    return table


def _metrics_table(metrics: Iterable[MetricPair], left: str, right: str) -> Table:
    table = Table("metric", box=None, pad_edge=False, header_style="bold")
    for title in (left, right, "difference"):
        table.add_column(title, justify="right")
    for row in metrics:
        table.add_row(Text(row.key), _number(row.left), _number(row.right), _number(row.difference, "+"))
    return table


def _number(value: float | None, sign: str = "") -> str:
    if not value:
        return "–" if value is None else "0"
    return f"{value:{sign},.0f}" if value.is_integer() else f"{value:{sign}.4g}"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
