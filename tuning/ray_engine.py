"""Trials on a Ray cluster: each machine runs them as `workers.py` does, the search stays in the driver.

The folder that `plumbline tune` is started in must be one that all machines see under the same path, as studies, stages
and checkpoints lie there: a trial whose machine dies goes on elsewhere from its checkpoint.
"""

import contextlib
import math
import os
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.errors import UserError
from tuning.engine import Slots, Target, Worker
from tuning.workers import PATIENCE_SECS, Workers

REACH_SECS = 10.0
"""How long a cluster may take to take a connection."""

PULSE_SECS = 0.2
"""How often a machine looks at its process."""

MAX_LOSSES = 3
"""Places lost in a row, for each place, after which the cluster counts as broken."""


class Place:
    """A place on a machine of the cluster: a Ray actor, which has its share of processors and GPUs.

    Args:
        folder: Working folder of the driver.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self._stopping = False
        self._workers: Workers | None = None
        self._worker: Worker | None = None

    def run(self, target: Target, log: Path) -> tuple[str, bool] | None:
        """Runs a function in a process of its own.

        Returns:
            How the process ended, and whether it was lost; None where this machine does not see the folder of `log`.
        """
        if not (self._folder / log).parent.is_dir():
            return None
        if self._workers is None:
            os.chdir(self._folder)
            self._workers = Workers(1)
        worker = self._worker = self._workers.start(target, log)
        while not list(self._workers.wait(PULSE_SECS)):
            if self._stopping:
                self._workers.stop()
                return "stopped", False
        self._worker = None
        return self._workers.cause_of_death(worker), worker.lost

    def message(self) -> dict[str, Any]:
        """The last message of the process."""
        worker = self._worker
        return worker.message if worker else {}

    def stop(self) -> None:
        """Has the process stopped by `run`."""
        self._stopping = True


@dataclass(eq=False)
class RemoteWorker(Worker):
    """A process that works on a machine of the cluster."""

    target: Target = field(kw_only=True)
    log: Path = field(kw_only=True)
    ending: Any = None
    """Ray's promise of how it ends."""
    news: Any = None
    """Ray's promise of its next message."""
    placed: bool = False
    """Whether its place is there: before, that may wait for room in the cluster."""
    cause: str = ""
    """How it ended."""


class RayEngine(Slots[RemoteWorker]):
    """Places on a Ray cluster; the address is Ray's own `RAY_ADDRESS`, by default that of a cluster on this machine.

    Args:
        num: Places.
        threads: Processors of each.

    Raises:
        UserError: If Ray is not installed, there is no cluster, or none of its machines has so many processors.
    """

    def __init__(self, num: int, *, threads: int):
        try:
            import ray
        except ImportError:
            raise UserError("--engine ray: expected Ray to be installed: pip install 'plumbline[ray]'") from None
        if not ray.is_initialized():
            address = os.environ.get("RAY_ADDRESS", "auto")
            try:
                _reach(address)
                ray.init(address=address, log_to_driver=False, logging_level="error")
            except OSError as error:
                raise UserError(
                    "--engine ray: expected a running cluster (RAY_ADDRESS, or `ray start --head` on this machine and "
                    f"`ray start --address=…` on others). Received: {str(error).splitlines()[0]}"
                ) from None
        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        largest = max(machine.get("CPU", 0) for machine in machines)
        if threads > largest:
            raise UserError(
                f"--engine ray: train.threads: expected at most {largest:.0f}, as many as the largest machine of the "
                f"cluster has processors, or a trial would wait for ever. Received: {threads}"
            )
        super().__init__(num)
        self._ray = ray
        gpus = share_of_gpus([machine.get("GPU", 0) for machine in machines], num)
        self._actor = ray.remote(Place).options(num_cpus=threads, num_gpus=gpus, max_concurrency=2, max_restarts=0)
        self._places: dict[int, Any] = {}
        """Slot to its actor; one whose machine has died is replaced when the slot is needed, where there is room."""
        self._losses = 0
        """Places lost in a row."""

    def start(self, target: Target, log: Path) -> Worker:
        """Runs a function in a process of its own; what it prints goes to `log`."""
        taken = {worker.slot for worker in self.running}
        slot = min(set(range(self.num)) - taken, key=lambda slot: (slot not in self._places, slot))
        worker = RemoteWorker(slot, time.monotonic(), target=target, log=log, placed=slot in self._places)
        if not worker.placed:
            self._places[slot] = self._actor.remote(Path.cwd())
        self._begin(worker)
        self.running.append(worker)
        return worker

    def wait(self, timeout: float) -> Iterator[Worker]:
        """Yields the workers whose process has ended, after at most `timeout` seconds.

        Raises:
            UserError: If a machine does not see the working folder.
        """
        for worker in self.running:
            self._hear(worker)
        self._hand_over()
        ready, _ = self._ray.wait([worker.ending for worker in self.running], timeout=timeout)
        for worker in [each for each in self.running if each.ending in ready]:
            self.running.remove(worker)
            self._end(worker)
            yield worker

    def cause_of_death(self, worker: Worker) -> str:
        """Says why a process ended that left no result."""
        assert isinstance(worker, RemoteWorker)
        return worker.cause

    def stop(self) -> None:
        """Asks every process to stop, and ends all places."""
        running = [worker for worker in self.running if worker.placed]
        for worker in running:
            self._places[worker.slot].stop.remote()
        if running:
            self._ray.wait([each.ending for each in running], num_returns=len(running), timeout=PATIENCE_SECS + 5)
        for place in self._places.values():
            self._ray.kill(place)
        self.running.clear()
        self._places.clear()

    def _end(self, worker: RemoteWorker) -> None:
        """Takes note of how a worker ended.

        Raises:
            UserError: If a machine does not see the working folder, or no place lasts.
        """
        try:
            ended = self._ray.get(worker.ending)
        except self._ray.exceptions.OutOfMemoryError:
            worker.cause = "out of memory: Ray ended its place"
            del self._places[worker.slot]
            return
        except self._ray.exceptions.RayActorError as error:
            worker.cause, worker.lost = "lost: what it ran on is gone", True
            del self._places[worker.slot]
            self._losses += 1
            if self._losses > MAX_LOSSES * self.num:
                raise UserError(f"--engine ray: {self._losses} places were lost in a row. The last: {error}") from None
            return
        self._losses = 0
        if ended is None:
            raise UserError(
                f"--engine ray: expected a folder that all machines of the cluster see. {Path.cwd()} is not there on "
                "one of them; start the study in a shared one"
            )
        worker.cause, worker.lost = ended

    def _hear(self, worker: RemoteWorker) -> None:
        """Takes the last message, if the place has answered, and asks again; waits for nothing."""
        if not self._ray.wait([worker.news], timeout=0)[0]:
            return
        with contextlib.suppress(self._ray.exceptions.RayError):
            worker.message, worker.placed = self._ray.get(worker.news), True
        worker.news = self._places[worker.slot].message.remote()

    def _begin(self, worker: RemoteWorker) -> None:
        place = self._places[worker.slot]
        worker.ending, worker.news = place.run.remote(worker.target, worker.log), place.message.remote()

    def _hand_over(self) -> None:
        """Gives a place that has nothing to run what another was to run that has not answered.

        That may wait for room for ever, where a machine is gone, as each place keeps its own.
        """
        idle = set(self._places) - {worker.slot for worker in self.running}
        for worker, slot in zip([each for each in self.running if not each.placed], sorted(idle), strict=False):
            self._ray.kill(self._places[worker.slot])
            self._places[worker.slot], worker.placed = self._places.pop(slot), True
            self._begin(worker)


def share_of_gpus(machines: Sequence[float], num: int) -> float:
    """GPUs of one of several places: as many as let all of them fit on the machines, whole ones where there are enough.

    Args:
        machines: GPUs of each machine.
        num: Places.
    """
    whole = [share for share in range(1, int(max(machines)) + 1) if sum(gpus // share for gpus in machines) >= num]
    total = sum(machines)
    return whole[-1] if whole else 1 / math.ceil(num / total) if total else 0


def _reach(address: str) -> None:
    """Tries a cluster's address, where it is one: Ray itself would try for two minutes.

    Raises:
        OSError: If nobody answers.
    """
    host, _, port = address.rpartition("/")[2].rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), REACH_SECS).close()
