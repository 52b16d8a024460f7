"""Where runs are recorded and read back: the package that imports mlflow.

`open_store` finds the store, `Tracking` writes runs into it, `read_runs` reads them. Everything that a stage says
reaches MLflow as a record of its journal (`pipeline/journal.py`), while it runs or replayed from the cache.
"""

import os

# Read by mlflow when it is imported or called. A run reports to nobody, and a server that is gone is noticed in
# seconds: mlflow's own patience is four minutes. What the user has set stays.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")

from pipeline.tracking.reading import RunRecord, champion_versions, read_runs
from pipeline.tracking.run import Run, Stage, Tracking
from pipeline.tracking.store import Store, open_store

__all__ = ["Run", "RunRecord", "Stage", "Store", "Tracking", "champion_versions", "open_store", "read_runs"]
