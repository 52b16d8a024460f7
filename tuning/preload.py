"""What the server of trials holds before it forks, so that no trial does it again: imports, and hashes of the code.

Importing this module does it all, as a server of `multiprocessing` is told modules and nothing else.
"""

import gc
from importlib import import_module

from pipeline.cache import code_hashes
from pipeline.imports import heavy_imports
from pipeline.stages import STAGES

LIBRARIES = (
    "tensorflow",
    "keras",
    "pipeline.execution",
    "pipeline.continuation",
    "pipeline.tracking",
    "mlflow.store.tracking.sqlalchemy_store",
    "sqlalchemy.dialects.sqlite",
    "alembic.config",
    "alembic.command",
    "PIL.PngImagePlugin",
    "tuning.trial",
)
"""What is imported beside the stages; none of it may start TensorFlow's runtime."""

TRIED = ("collect", "preprocess", "train")
"""Stages of a trial."""

with heavy_imports():
    for name in LIBRARIES:
        import_module(name)
    for stage in STAGES:
        if stage.name in TRIED:
            import_module(stage.module)
            code_hashes(stage.module, *stage.carries)
    # No trial looks through these objects for garbage, which would copy the pages that it shares.
    gc.freeze()
