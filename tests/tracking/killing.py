"""Work done in processes that are killed: forked from one that has imported everything, so that each takes no time."""

import multiprocessing
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.tracking import RunFolder, Sender
from tests.tracking.writing import open_at, write_run

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.tracking.killing"])


def send(path: str, uri: str | None) -> None:
    """Sends a run."""
    Sender(RunFolder(Path(path)), uri).send()


def write(base: str, uri: str, out: str, epochs: int, run_id: str | None) -> None:
    """Writes a run, which is sent at its end."""
    write_run(open_at(Path(base), uri), Path(out), epochs=epochs, run_id=run_id)


def run_and_kill(work: Callable[..., None], *arguments: Any, after_secs: float) -> bool:
    """Starts a process and kills it with SIGKILL after a time; returns whether it had ended before."""
    process = FORKS.Process(target=work, args=arguments)
    process.start()
    process.join(after_secs)
    process.kill()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode == 0


def instants(seed: int, longest_secs: float) -> Callable[[], float]:
    """Random instants at which to kill, the same for the same seed; early ones as likely as late ones."""
    generator = random.Random(seed)
    return lambda: generator.uniform(0, longest_secs)
