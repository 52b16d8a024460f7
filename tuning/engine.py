"""Where trials run, as a search sees it: a number of places, each for one process at a time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

Tell = Callable[[dict[str, Any]], None]
"""Sends a message to the driver."""

Target = Callable[[Tell], None]
"""What a worker runs. Must be picklable."""

MAX_RESTARTS = 3
"""How often work that was lost is started again, before it counts as what ends what it runs on."""


@dataclass(eq=False)
class Worker:
    """A process that works."""

    slot: int
    """Which of the places it has."""
    started: float
    """Seconds on a monotonic clock."""
    message: dict[str, Any] = field(default_factory=dict)
    """The last message that it sent."""
    lost: bool = False
    """Whether it was ended from outside, or what it ran on is gone: no fault of what it ran."""


Working = TypeVar("Working", bound=Worker)


class Slots(Generic[Working]):
    """What engines share: so many places, and who has one.

    Args:
        num: Places.
    """

    def __init__(self, num: int):
        self.num = num
        self.running: list[Working] = []

    @property
    def free(self) -> bool:
        """Whether a place is free."""
        return len(self.running) < self.num

    @property
    def busy(self) -> bool:
        """Whether anything runs."""
        return bool(self.running)


class Engine(Protocol):
    """Runs functions in fresh processes."""

    num: int
    """Places."""

    @property
    def free(self) -> bool:
        """Whether a place is free."""

    @property
    def busy(self) -> bool:
        """Whether anything runs."""

    def start(self, target: Target, log: Path) -> Worker:
        """Runs a function in a process of its own; what it prints goes to `log`."""

    def wait(self, timeout: float) -> Iterator[Worker]:
        """Yields the workers whose process has ended, after at most `timeout` seconds without any sign of one."""

    def cause_of_death(self, worker: Worker) -> str:
        """Says why a process ended that left no result."""

    def stop(self) -> None:
        """Asks every process to stop, which leaves a checkpoint, and kills those that do not."""


def open_engine(name: str, num: int, *, threads: int) -> Engine:
    """Opens an engine.

    Args:
        name: local: processes of this machine; ray: those of a Ray cluster.
        num: Places.
        threads: Threads that each computes on.

    Raises:
        UserError: If there is no such cluster.
    """
    if name == "ray":
        from tuning.ray_engine import RayEngine

        return RayEngine(num, threads=threads)
    from tuning.workers import Workers

    return Workers(num)
