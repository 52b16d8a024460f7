"""Runs whose process died without a word: found at the next start and closed as KILLED."""

import socket
from pathlib import Path

import psutil
from filelock import Timeout
from mlflow import MlflowClient
from mlflow.entities import Run

from pipeline.journal import RecordFile
from pipeline.tracking.folder import RunFolder, unfinished, unsent_folders
from pipeline.tracking.store import all_pages

PROCESS, ERROR = "plumbline.process", "plumbline.error"
"""Tags: `<host> <pid> <start time in seconds>` of a run's process; one line on why the run did not finish."""

CLOCK_SECS = 2.0
"""How far two readings of one process's start time may differ: the kernel's boot time moves with the clock."""


def this_process() -> str:
    """The text by which a later process can tell whether this one still lives."""
    process = psutil.Process()
    return f"{socket.gethostname()} {process.pid} {process.create_time():.0f}"


def reap_folders(root: Path) -> list[RunFolder]:
    """Closes, in their own records, the runs under `root` whose process is gone, as KILLED.

    Returns:
        The folders of the runs closed.
    """
    return [folder for folder in unsent_folders(root) if _close(folder)]


def _close(folder: RunFolder) -> bool:
    try:
        with folder.writing(timeout_secs=0):
            return end_dead(RecordFile(folder.journal))
    except Timeout:
        return False


def end_dead(file: RecordFile) -> bool:
    """Records the end of a run whose process is gone, and of those nested in it; returns whether any had not ended."""
    begun = unfinished(file.records)
    for name, begin in begun.items():
        gone = {ERROR: f"killed: the process is gone ({begin['process']})"}
        last = file.records[-1]["time"]
        file.append({"kind": "tags", "run": name, "values": gone, "time": last})
        file.append({"kind": "end", "run": name, "status": "KILLED", "time": last})
    return bool(begun)


def reap(client: MlflowClient) -> list[str]:
    """Closes the RUNNING runs of this machine whose process is gone, nested ones too, as KILLED.

    They end at the time of their last metric, or when they began. The records of those that ran elsewhere, or were
    deleted, do not come this way.

    Returns:
        Ids of the runs closed.
    """
    experiments = all_pages(lambda token: client.search_experiments(page_token=token))
    ids = [experiment.experiment_id for experiment in experiments]
    where = f"attributes.status = 'RUNNING' AND tags.`{PROCESS}` LIKE '{socket.gethostname()} %'"
    running = list(all_pages(lambda token: client.search_runs(ids, where, page_token=token)))
    dead = [run for run in running if not _lives(run.data.tags[PROCESS])]
    for run in dead:
        client.set_tag(run.info.run_id, ERROR, f"killed: the process is gone ({run.data.tags[PROCESS]})")
        client.set_terminated(run.info.run_id, "KILLED", end_time=_last_sign(client, run))
    return [run.info.run_id for run in dead]


def _lives(process: str) -> bool:
    _, pid, started = process.split()
    try:
        return abs(psutil.Process(int(pid)).create_time() - float(started)) < CLOCK_SECS
    except psutil.NoSuchProcess:
        return False


def _last_sign(client: MlflowClient, run: Run) -> int:
    """Time of the last metric, or of the start, in milliseconds."""
    times = [metric.timestamp for key in run.data.metrics for metric in client.get_metric_history(run.info.run_id, key)]
    return max(int(time) for time in (run.info.start_time, *times))
