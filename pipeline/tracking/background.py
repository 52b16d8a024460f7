"""What sends a run that lasts while it goes on, a process or a thread: starts it, and ends it with the run."""

import contextlib
import subprocess
import sys
import threading
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import psutil

from pipeline.tracking.folder import RunFolder
from pipeline.tracking.sending import LOCK_SECS
from pipeline.tracking.shipping import ship

Shipping = Literal["process", "thread"]

LOG = "shipper.log"
"""File in a run's folder that says what could not be sent at once."""

AFTER_SECS = 5.0
"""A run that ends before needs no process beside it, which takes seconds to start: it is sent at its end."""

NICENESS = 5
"""How much less than the training the process counts for the scheduler."""

_LEFT: list["subprocess.Popen[bytes]"] = []
"""Shippers that were still sending when their run had ended; they end by themselves."""


class Shipper(Protocol):
    """What sends one run while it goes on."""

    def end(self, *, sent: bool) -> None:
        """Ends it; `sent`: nothing is left to it, or nothing can be done now."""


def begin(shipping: Shipping, folder: RunFolder) -> Shipper:
    """Begins to send a run."""
    return ShipperProcess(folder) if shipping == "process" else ShipperThread(folder)


@dataclass
class ShipperThread:
    """Sends from a thread of the run's process: for one that mostly waits for other processes."""

    folder: RunFolder
    _ended: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        # A daemon, as nobody should wait for ever for a store that does not answer.
        self.thread = threading.Thread(target=self._ship, daemon=True)
        self.thread.start()

    def end(self, *, sent: bool) -> None:
        """Tells the thread that the run has ended, and waits for a time until it has sent what is left to it."""
        self._ended.set()
        if not sent:
            self.thread.join(LOCK_SECS)

    def _ship(self) -> None:
        try:
            ship(self.folder, lambda: not self._ended.is_set(), self._say)
        except Exception:
            self._say(traceback.format_exc())

    def _say(self, text: str) -> None:
        with contextlib.suppress(OSError), (self.folder.path / LOG).open("a", encoding="utf-8") as log:
            log.write(f"{text}\n")


@dataclass
class ShipperProcess:
    """Sends from a process beside that of the run, whose work it does not hold up."""

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
        """Ends the process if nothing is left to it; else it ends by itself."""
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
                with (self.folder.path / LOG).open("wb") as log:
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
