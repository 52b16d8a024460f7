"""What a run's folder holds and what MLflow has of it, in one form: equal if nothing lacks and nothing is doubled."""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlflow.entities import Run, ViewType

from pipeline.tracking import ERROR, RunFolder, Store
from pipeline.tracking.folder import RUN_TAG


@dataclass
class Ledger:
    """All of one run, by the names of its nested runs; `""` is the run itself."""

    metrics: Counter[tuple[Any, ...]] = field(default_factory=Counter)
    """(run, name, value, step, time) of each point."""
    params: dict[tuple[str, str], str] = field(default_factory=dict)
    tags: dict[tuple[str, str], str] = field(default_factory=dict)
    statuses: dict[str, str] = field(default_factory=dict)
    artifacts: dict[str, bytes] = field(default_factory=dict)
    inputs: Counter[str] = field(default_factory=Counter)
    runs: Counter[str] = field(default_factory=Counter)


def of_folder(folder: RunFolder) -> Ledger:
    """What the run's records say."""
    ledger = Ledger()
    for record in folder.records():
        run, values = record.get("run", ""), record.get("values", {})
        match record["kind"]:
            case "begin":
                ledger.runs[run] = 1
                ledger.tags.pop((run, ERROR), None)
                ledger.tags |= {(run, key): value for key, value in record["tags"].items()}
            case "metrics":
                ledger.metrics.update(
                    (run, key, repr(value), record["step"] or 0, record["time"]) for key, value in values.items()
                )
            case "params":
                texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}
                ledger.params |= {(run, key): value for key, value in texts.items()}
            case "tags":
                ledger.tags |= {(run, key): value for key, value in values.items()}
            case "artifact":
                ledger.artifacts[record["path"]] = folder.artifact(record["path"]).read_bytes()
            case "data":
                ledger.inputs[record["dataset"]["digest"]] = 1
            case "end":
                ledger.statuses[run] = record["status"]
    return ledger


def of_store(store: Store, run_id: str, scratch: Path) -> Ledger:
    """What MLflow has of the run of this id.

    Args:
        store: Where it was sent.
        run_id: Our id of it.
        scratch: An empty folder for copies of its artifacts.
    """
    ledger = Ledger()
    for run in _runs(store, run_id):
        name = run.data.tags[RUN_TAG].removeprefix(run_id).removeprefix("/")
        ledger.runs[name] += 1
        ledger.statuses[name] = run.info.status
        ledger.params |= {(name, key): value for key, value in run.data.params.items()}
        ledger.tags |= {(name, key): value for key, value in run.data.tags.items() if not _is_ours(key)}
        ledger.inputs.update(given.dataset.digest for given in run.inputs.dataset_inputs)
        for key in run.data.metrics:
            points = store.client.get_metric_history(run.info.run_id, key)
            ledger.metrics.update((name, key, repr(p.value), p.step, p.timestamp) for p in points)
        if not name:
            copies = Path(store.client.download_artifacts(run.info.run_id, "", str(scratch)))
            files = [file for file in copies.rglob("*") if file.is_file()]
            ledger.artifacts |= {file.relative_to(copies).as_posix(): file.read_bytes() for file in files}
    return ledger


def assert_all_there_once(folder: RunFolder, store: Store, scratch: Path) -> Ledger:
    """Compares record by record; returns what both hold."""
    here, there = of_folder(folder), of_store(store, folder.header.id, scratch)
    assert here.metrics - there.metrics == Counter(), "missing"
    assert there.metrics - here.metrics == Counter(), "doubled, or from nowhere"
    assert there == here
    return here


def _runs(store: Store, run_id: str) -> list[Run]:
    experiments = [found.experiment_id for found in store.client.search_experiments(view_type=ViewType.ACTIVE_ONLY)]
    return list(store.client.search_runs(experiments, f"tags.`{RUN_TAG}` LIKE '{run_id}%'"))


def _is_ours(key: str) -> bool:
    """Tags that are not in the records: MLflow's own, and whose process it was."""
    return key in ("mlflow.runName", "mlflow.parentRunId", "plumbline.process")
