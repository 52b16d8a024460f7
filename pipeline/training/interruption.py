"""Signals that end a training: held back until a step has ended and its state is on disk."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class TrainingStoppedError(SystemExit):
    """A training was asked to stop and has been saved; the exit code is that of its signal.

    Args:
        number: Of the signal.
        message: Where it goes on.
    """

    def __init__(self, number: int, message: str):
        super().__init__(128 + number)
        self.message = message


class Interruption:
    """Remembers the first signal; the second one ends the process at once.

    Attributes:
        number: Of the signal that came; None: none so far.
    """

    def __init__(self) -> None:
        self.number: int | None = None

    @contextlib.contextmanager
    def held(self) -> Iterator["Interruption"]:
        """Holds signals back while the block runs; one that nobody took note of comes again when it has ended.

        Outside the main thread, where nobody may, and for signals that are ignored (`nohup`), it changes nothing.
        """
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        heeded = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, self._take) for number in heeded}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        if self.number is not None:
            signal.raise_signal(self.number)

    def _take(self, number: int, _: FrameType | None) -> None:
        if self.number is not None:
            os._exit(128 + number)
        self.number = number
