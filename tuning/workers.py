"""Trials at once, each in a fresh process: nothing of one reaches another, and its death is its own.

Processes are forked from a server that has imported the libraries and started none of their runtimes: a trial begins
in a fraction of a second, with its own devices and threads, and gives all its memory back.
"""

import contextlib
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing import connection, forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import psutil

from pipeline.imports import heavy_imports
from tuning.engine import Slots, Target, Worker

PRELOADED = "tuning.preload"
"""What the server imports."""

PATIENCE_SECS = 20.0
"""How long a trial that is asked to stop may take to leave a checkpoint."""

MOMENT_SECS = 2.0
"""How long the server may take to be gone once its pipes are closed."""

UNKNOWN = 255
"""Exit code that `multiprocessing` gives where the server of a process is gone, which alone knew it."""

FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP)
"""Signals that say nothing of what the process ran, unless the system ran out of memory."""

OOM_EVENTS = Path("/sys/fs/cgroup/memory.events"), Path("/proc/vmstat")
"""Where Linux counts the processes that it killed for memory: those of a container, else those of the machine."""


@dataclass(eq=False)
class LocalWorker(Worker):
    """A process that works on this machine."""

    process: BaseProcess = field(kw_only=True)
    known: psutil.Process | None = field(kw_only=True)
    """The same, whoever its parent is; None: it had ended at once."""
    server: psutil.Process | None = field(kw_only=True)
    """What it was forked from."""
    inbox: connection.Connection = field(kw_only=True)
    out_of_memory: bool = False
    """Whether the system killed it for memory."""


class Workers(Slots[LocalWorker]):
    """A number of places for processes.

    Args:
        num: Places.
    """

    def __init__(self, num: int):
        super().__init__(num)
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([PRELOADED])
        self._gpus = visible_gpus()
        self._oom_kills = _oom_kills()
        with heavy_imports():
            forkserver.ensure_running()

    def start(self, target: Target, log: Path) -> Worker:
        """Runs a function in a process of its own.

        Args:
            target: The function.
            log: File that takes what the process prints.
        """
        taken = {worker.slot for worker in self.running}
        slot = next(slot for slot in range(self.num) if slot not in taken)
        inbox, outbox = self._context.Pipe(duplex=False)
        environment = gpu_environment(self._gpus, slot, self.num)
        process = self._context.Process(target=_work, args=(target, log, environment, outbox), daemon=True)
        process.start()
        outbox.close()
        known = _known(process)
        server = known.parent() if known else None
        worker = LocalWorker(slot, time.monotonic(), process=process, known=known, server=server, inbox=inbox)
        self.running.append(worker)
        return worker

    def wait(self, timeout: float) -> Iterator[Worker]:
        """Yields the workers whose process has ended, after at most `timeout` seconds without any sign of one."""
        connection.wait([end for worker in self.running for end in (worker.inbox, worker.process.sentinel)], timeout)
        for worker in list(self.running):
            self._read(worker)
            if not worker.process.is_alive():
                worker.process.join()
                worker.inbox.close()
                self._judge(worker)
                self.running.remove(worker)
                yield worker

    def stop(self) -> None:
        """Asks every process to stop, and kills those that do not."""
        for worker in self.running:
            worker.process.terminate()
        deadline = time.monotonic() + PATIENCE_SECS
        for worker in self.running:
            worker.process.join(max(0.0, deadline - time.monotonic()))
            worker.process.kill()
            worker.process.join()
            worker.inbox.close()
        self.running.clear()

    def cause_of_death(self, worker: Worker) -> str:
        """Says why a process ended that left no result."""
        assert isinstance(worker, LocalWorker)
        if worker.out_of_memory:
            return "out of memory: the system killed the process"
        if number := _signal(worker.process):
            hint = ", perhaps for want of memory" if number == signal.SIGKILL else ""
            return f"killed: {number.name}{hint}"
        return f"died: exit code {worker.process.exitcode}"

    def _judge(self, worker: LocalWorker) -> None:
        """Tells a death that comes from outside from one that what the process ran is to blame for."""
        number, kills = _signal(worker.process), _oom_kills()
        is_unknown = worker.process.exitcode == UNKNOWN and _dies(worker.server)
        worker.out_of_memory = number == signal.SIGKILL and kills > self._oom_kills
        worker.lost = is_unknown or (number in FROM_OUTSIDE and not worker.out_of_memory)
        if worker.out_of_memory:
            self._oom_kills += 1  # another worker may be one of them
        if is_unknown:
            _end_orphan(worker.known)

    def _read(self, worker: LocalWorker) -> None:
        """Takes the messages that have come; a process killed while it wrote leaves half a one."""
        with contextlib.suppress(EOFError, OSError):
            while worker.inbox.poll():
                worker.message = worker.inbox.recv()


def visible_gpus() -> list[str]:
    """Names of the GPUs that this process may use, as CUDA_VISIBLE_DEVICES takes them; asks no CUDA runtime."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [name for name in given.split(",") if name]
    if shutil.which("nvidia-smi") is None:
        return []
    listed = subprocess.run(
        ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"], capture_output=True, text=True, check=False
    )
    return listed.stdout.split() if listed.returncode == 0 else []


def gpu_environment(gpus: list[str], slot: int, num_slots: int) -> dict[str, str]:
    """The environment of one of several processes: GPUs are dealt out; where there are too few, they are shared."""
    if not gpus:
        return {}
    own = gpus[slot::num_slots] if len(gpus) >= num_slots else [gpus[slot % len(gpus)]]
    return {"CUDA_VISIBLE_DEVICES": ",".join(own), "TF_FORCE_GPU_ALLOW_GROWTH": "true"}


def leave_terminal() -> None:
    """Leaves a terminal's Ctrl-C to the driver, which then asks each process to stop once."""
    os.setpgrp()
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _work(target: Target, log: Path, environment: dict[str, str], outbox: connection.Connection) -> None:
    """What the process does: everything that must be set before a runtime starts, then the work."""
    leave_terminal()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    threading.Thread(target=_die_with_driver, daemon=True).start()
    os.environ |= environment
    with log.open("ab", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)

    def tell(message: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):
            outbox.send(message)

    target(tell)


def _die_with_driver() -> None:
    """Leaves nobody training for a driver that is gone."""
    driver = multiprocessing.parent_process()
    assert driver is not None
    connection.wait([driver.sentinel])
    os._exit(128 + signal.SIGKILL)


def _known(process: BaseProcess) -> psutil.Process | None:
    try:
        return psutil.Process(process.pid) if process.pid else None
    except psutil.Error:
        return None


def _lives(process: psutil.Process | None) -> bool:
    """Whether a process is there and has not ended: a child stays until its end is asked for."""
    with contextlib.suppress(psutil.Error):
        return process is not None and process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _dies(process: psutil.Process | None) -> bool:
    """Whether a process is gone, or goes within a moment: its pipes close before it is."""
    deadline = time.monotonic() + MOMENT_SECS
    while _lives(process) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not _lives(process)


def _signal(process: BaseProcess) -> signal.Signals | None:
    """The signal that a process ended by, at once or, as its exit code says, after it had saved what it had."""
    code = process.exitcode or 0
    number = code - 128 if code > 0 else -code
    return signal.Signals(number) if number in set(signal.Signals) else None


def _end_orphan(process: psutil.Process | None) -> None:
    """Kills a process that has outlived the server, and with it all news of its end."""
    with contextlib.suppress(psutil.Error):
        if process is not None and _lives(process):
            process.kill()
            process.wait(timeout=PATIENCE_SECS)


def _oom_kills() -> int:
    file = next((file for file in OOM_EVENTS if file.exists()), None)
    if file is None:
        return 0
    counts = dict(line.split() for line in file.read_text(encoding="ascii").splitlines())
    return int(counts.get("oom_kill", 0))
