"""The process that sends a run to MLflow while the run goes on: `python -m pipeline.tracking.shipper <run folder>`.

It lives beside the run's process, in a session of its own, so that Ctrl-C does not reach it, and ends with it.
"""

import functools
import sys
from pathlib import Path

from pipeline.tracking.folder import RunFolder
from pipeline.tracking.shipping import ship

if __name__ == "__main__":
    folder = RunFolder(Path(sys.argv[1]))
    ship(folder, lambda: folder.lives(), functools.partial(print, file=sys.stderr, flush=True))
