"""Runs as plain records, read back from the store, or from the folders in which they are recorded here."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mlflow.entities import Metric

from pipeline.errors import UserError
from pipeline.journal import Record
from pipeline.recipe.errors import nearest
from pipeline.tracking import entities
from pipeline.tracking.folder import RUN_TAG, RunFolder
from pipeline.tracking.reaping import ERROR
from pipeline.tracking.store import Store, all_pages

PAGE = 200
"""Runs fetched at once."""


@dataclass(frozen=True)
class RunRecord:
    """What the store knows of one pipeline run."""

    id: str
    """32 hex digits: that of the run's folder, which is MLflow's if the store was there when the run began."""
    name: str
    experiment: str
    status: str
    """RUNNING, FINISHED, FAILED or KILLED."""
    started: datetime
    """In UTC."""
    seconds: float | None
    """Wall time; None while it runs."""
    params: dict[str, str]
    """Flat recipe keys."""
    metrics: dict[str, float]
    """Last value of each metric."""
    tags: dict[str, str]


def read_runs(store: Store, experiment: str | None = None) -> Iterator[RunRecord]:
    """Yields pipeline runs, newest first; the nested runs of their stages are left out.

    Args:
        store: Where runs are recorded.
        experiment: Name of an experiment; by default all of them.

    Raises:
        UserError: If there is no such experiment.
    """
    search = store.client.search_experiments
    names = {found.experiment_id: found.name for found in all_pages(lambda token: search(page_token=token))}
    if experiment is not None:
        known = sorted(names.values())
        names = {key: name for key, name in names.items() if name == experiment}
        if not names:
            raise UserError(
                f"experiment: expected one of {', '.join(known)}. Received: {experiment}{nearest(experiment, known)}"
            )
    runs = all_pages(
        lambda token: store.client.search_runs(
            list(names),
            "tags.`mlflow.parentRunId` IS NULL",
            order_by=["attributes.start_time DESC"],
            max_results=PAGE,
            page_token=token,
        )
    )
    return (_record(run, names) for run in runs)


def tagged_runs(store: Store, tag: str, value: str) -> Iterator[RunRecord]:
    """Yields pipeline runs with a tag, nested ones too, newest first."""
    search = store.client.search_experiments
    names = {found.experiment_id: found.name for found in all_pages(lambda token: search(page_token=token))}
    query, order = f"tags.`{tag}` = {json.dumps(value)}", ["attributes.start_time DESC"]
    return (_record(run, names) for run in store.client.search_runs(list(names), query, order_by=order))


def stored_id(store: Store, run_id: str) -> str:
    """MLflow's id of a run of ours: of one that began while the store was away, another than its own."""
    search = store.client.search_experiments
    ids = [found.experiment_id for found in all_pages(lambda token: search(page_token=token))]
    found = store.client.search_runs(ids, f"tags.`{RUN_TAG}` = {json.dumps(run_id)}", max_results=1)
    return str(found[0].info.run_id) if found else run_id


def read_folder(folder: RunFolder) -> RunRecord:
    """Reads what a run's folder says of it, in the form in which the store would say it."""
    header, mine = folder.header, [record for record in folder.records() if record.get("run") == ""]
    metrics: dict[str, Metric] = {}
    tags: dict[str, str] = {}
    end: Record | None = None
    for record in mine:
        match record["kind"]:
            case "begin":
                tags |= record["tags"]
                tags.pop(ERROR, None)  # it goes on
                end = None
            case "tags":
                tags |= record["values"]
            case "metrics":
                for metric in entities.metrics(record["values"], record["step"], record["time"]):
                    if metric.key not in metrics or _order(metric) >= _order(metrics[metric.key]):
                        metrics[metric.key] = metric
            case "end":
                end = record
    return RunRecord(
        id=header.id,
        name=header.name,
        experiment=header.experiment,
        status=end["status"] if end else "RUNNING" if folder.lives() else "KILLED",
        started=datetime.fromtimestamp(header.started / 1000, UTC),
        seconds=(end["time"] - header.started) / 1000 if end else None,
        params={param.key: param.value for param in entities.params(header.params)},
        metrics={key: metric.value for key, metric in metrics.items()},
        tags={tag.key: tag.value for tag in entities.tags(tags)},
    )


def _order(metric: Metric) -> tuple[int, int]:
    """Which of a metric's points the store takes for the last."""
    return metric.step, metric.timestamp


def champion_versions(store: Store) -> dict[str, str]:
    """Returns the version of each registered model that the alias `champion` points to now."""
    models = all_pages(lambda token: store.client.search_registered_models(page_token=token))
    return {model.name: str(model.aliases["champion"]) for model in models if "champion" in model.aliases}


def _record(run: Any, experiments: dict[str, str]) -> RunRecord:
    info = run.info
    return RunRecord(
        id=run.data.tags.get(RUN_TAG, info.run_id),
        name=info.run_name,
        experiment=experiments[info.experiment_id],
        status=info.status,
        started=datetime.fromtimestamp(info.start_time / 1000, UTC),
        seconds=None if info.end_time is None else (info.end_time - info.start_time) / 1000,
        params=run.data.params,
        metrics=run.data.metrics,
        tags=run.data.tags,
    )
