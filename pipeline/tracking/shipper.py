"""The process that sends a run to MLflow while the run goes on: `python -m pipeline.tracking.shipper <run folder>`.

It lives beside the run's process, in a session of its own, so that Ctrl-C does not reach it, and ends with it: after
one more attempt to send what is left. It may be killed at any time; whoever sends next goes on where it was.
"""

import sys
import time
from pathlib import Path

from filelock import Timeout

from pipeline.errors import UserError
from pipeline.tracking.folder import RunFolder
from pipeline.tracking.sending import Sender

POLL_SECS = 1.0
"""Time between two looks at the journal: metrics wait at most so long for company."""

LONGEST_SECS = 30.0
"""Longest time between two attempts while the store is away."""


def ship(folder: RunFolder) -> None:
    """Sends a run until its process is gone, with growing pauses while the store is away."""
    sender, pause = Sender(folder), POLL_SECS
    while folder.exists:
        alive = folder.lives()
        try:
            sender.send()
            pause = POLL_SECS
        except (UserError, Timeout) as error:
            print(error, file=sys.stderr, flush=True)
            pause = min(2 * pause, LONGEST_SECS)
        if not alive:
            return
        _sleep(folder, pause)


def _sleep(folder: RunFolder, secs: float) -> None:
    """Waits, but no longer than the run's process is there."""
    until = time.monotonic() + secs
    while time.monotonic() < until and folder.lives():
        time.sleep(min(POLL_SECS, max(0.0, until - time.monotonic())))


if __name__ == "__main__":
    ship(RunFolder(Path(sys.argv[1])))
