"""Work done in processes that are killed: forked from one that has imported everything, so that each takes no time."""

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipeline.errors import UserError
from pipeline.tracking import RunFolder, Sender
from pipeline.tracking.folder import Header
from tests.tracking.writing import open_at, write_run

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.tracking.killing"])


def send(path: str, uri: str) -> None:
    """Sends a run, however often it takes."""
    folder = RunFolder(Path(path))
    while folder.sent.uri != uri or folder.is_unsent:
        with suppress(UserError):
            Sender(folder, uri).send()


def write(base: str, uri: str, out: str, epochs: int, run_id: str | None) -> None:
    """Writes a run, an epoch a millisecond; it is sent at its end."""
    tracking = open_at(Path(base), uri)
    write_run(tracking, Path(out), epochs=epochs, run_id=run_id, after_epoch=lambda *_: time.sleep(0.001))


def write_until_created(base: str, uri: str, out: str, id_file: str, has_folder: bool) -> None:
    """Begins to write a run, and kills itself once it is created in the store, before or after its folder is made."""
    create = RunFolder.create

    def die(root: Path, header: Header) -> None:
        if has_folder:
            create(root, header)
        os.kill(os.getpid(), signal.SIGKILL)

    RunFolder.create = die  # type: ignore[assignment]
    write_run(open_at(Path(base), uri), Path(out), id_file=Path(id_file))


def run_and_kill(work: Callable[..., None], *arguments: Any, when: Callable[[], bool]) -> bool:
    """Starts a process and kills it with SIGKILL at a moment; returns whether it had ended before."""
    process = FORKS.Process(target=work, args=arguments)
    process.start()
    while process.is_alive() and not when():
        time.sleep(0.0002)
    process.kill()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode == 0


def moments(seed: int, progress: Callable[[], int], last: int, count: int) -> Iterator[Callable[[], bool]]:
    """Conditions that come true a random moment, of up to 10 ms, after some work has come so far as a random number.

    Args:
        seed: The same seed, the same numbers.
        progress: How far the work has come.
        last: How far it will come.
        count: How many conditions, one after another.
    """
    generator = random.Random(seed)
    for number in sorted(generator.sample(range(last), count)):
        delay = generator.uniform(0, 0.01)

        def come(number: int = number, delay: float = delay) -> bool:
            if progress() < number:
                return False
            time.sleep(delay)
            return True

        yield come
