"""Where runs are recorded and read back: the package that imports mlflow.

`open_store` finds the store, `Tracking` records runs, `Sender` sends them there, `read_runs` reads them. What a stage
says reaches the run's folder as a record of its journal (`pipeline/journal.py`), while it runs or replayed from the
cache, and MLflow from there.
"""

import os

# Read by mlflow when it is imported or called. A run reports to nobody, and a server that is gone is noticed in
# seconds: mlflow's own patience is four minutes. What the user has set stays.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

from pipeline.tracking.folder import RunFolder, run_folders, unsent_folders
from pipeline.tracking.opening import Tracking
from pipeline.tracking.reading import RunRecord, champion_versions, read_folder, read_runs, stored_id, tagged_runs
from pipeline.tracking.reaping import ERROR, reap_folders
from pipeline.tracking.run import Run, Stage
from pipeline.tracking.sending import Sender
from pipeline.tracking.store import Store, StoreAwayError, absolute_uri, open_store, sqlite_file

__all__ = [
    "ERROR",
    "Run",
    "RunFolder",
    "RunRecord",
    "Sender",
    "Stage",
    "Store",
    "StoreAwayError",
    "Tracking",
    "absolute_uri",
    "champion_versions",
    "open_store",
    "read_folder",
    "read_runs",
    "reap_folders",
    "run_folders",
    "sqlite_file",
    "stored_id",
    "tagged_runs",
    "unsent_folders",
]
