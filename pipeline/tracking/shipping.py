"""Sends a run to MLflow while the run goes on."""

import time
from collections.abc import Callable

from filelock import Timeout

from pipeline.errors import UserError
from pipeline.tracking.folder import RunFolder
from pipeline.tracking.sending import Sender

POLL_SECS = 1.0
"""Time between two looks at the journal: metrics wait at most so long for company."""

LONGEST_SECS = 30.0
"""Longest time between two attempts while the store is away."""


def ship(folder: RunFolder, goes_on: Callable[[], bool], say: Callable[[str], None]) -> None:
    """Sends a run for as long as it goes on, and once more, with growing pauses while the store is away.

    It may be killed at any time; whoever sends next goes on where it was.

    Args:
        folder: Of the run.
        goes_on: Whether the run does.
        say: Is told why something could not be sent.
    """
    sender, pause = Sender(folder), POLL_SECS
    while folder.exists:
        last = not goes_on()
        try:
            sender.send()
            pause = POLL_SECS
        except (UserError, Timeout) as error:
            say(str(error))
            pause = min(2 * pause, LONGEST_SECS)
        if last:
            return
        _sleep(goes_on, pause)


def _sleep(goes_on: Callable[[], bool], secs: float) -> None:
    """Waits, but no longer than the run goes on."""
    until = time.monotonic() + secs
    while time.monotonic() < until and goes_on():
        time.sleep(min(POLL_SECS, max(0.0, until - time.monotonic())))
