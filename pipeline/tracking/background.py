"""Starts the shipper of a run that lasts, and ends it with the run."""

import contextlib
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from pipeline.tracking.folder import RunFolder

AFTER_SECS = 5.0
"""A run that ends before needs no process beside it, which takes seconds to start: it is sent at its end."""

NICENESS = 5
"""How much less than the training the process counts for the scheduler."""

_LEFT: list["subprocess.Popen[bytes]"] = []
"""Shippers that were still sending when their run had ended; they end by themselves."""


@dataclass
class Background:
    """The shipper of one run."""

    folder: RunFolder
    process: "subprocess.Popen[bytes] | None" = None
    """None: it was not started yet."""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _ended: bool = False

    def __post_init__(self) -> None:
        self._timer = threading.Timer(AFTER_SECS, self._start)
        self._timer.daemon = True
        self._timer.start()

    def end(self, *, sent: bool) -> None:
        """Ends the shipper; `sent`: nothing is left to it, or nothing can be done now."""
        self._timer.cancel()
        with self._lock:
            self._ended = True
        if self.process and sent:
            self.process.terminate()
            self.process.wait()
        elif self.process:
            _LEFT.append(self.process)

    def _start(self) -> None:
        with self._lock:
            if not self._ended:
                command = [sys.executable, "-m", "pipeline.tracking.shipper", str(self.folder.path.absolute())]
                with (self.folder.path / "shipper.log").open("wb") as log:
                    self.process = subprocess.Popen(
                        command,
                        stdin=subprocess.DEVNULL,
                        stdout=subprocess.DEVNULL,
                        stderr=log,
                        start_new_session=True,
                    )
                _yield_to_others(self.process.pid)


def _yield_to_others(pid: int) -> None:
    """Lowers the priority of a process that leads a session, while it imports already.

    Where Linux shares the processors between sessions (`autogroup`, sched(7)), that of the session counts.
    """
    with contextlib.suppress(psutil.Error):
        psutil.Process(pid).nice(min(psutil.Process().nice() + NICENESS, 19))
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(NICENESS), encoding="ascii")
