"""What each process that a search starts may use, and how it ends: GPUs are dealt out, deaths are told apart."""

import functools
import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from tuning.ray_engine import Place
from tuning.workers import Workers, gpu_environment


@pytest.mark.parametrize(
    ("gpus", "num", "dealt"),
    [
        (["0", "1", "2", "3"], 2, ["0,2", "1,3"]),
        (["0", "1", "2"], 2, ["0,2", "1"]),
        (["5"], 2, ["5", "5"]),
        ([], 2, [None, None]),
    ],
)
def test_gpus_are_dealt_out_and_shared_where_there_are_too_few(gpus, num, dealt):
    seen = [gpu_environment(gpus, slot, num) for slot in range(num)]
    assert [each.get("CUDA_VISIBLE_DEVICES") for each in seen] == dealt
    assert all(each.get("TF_FORCE_GPU_ALLOW_GROWTH") == "true" for each in seen if each)


def write_gpus(out: Path, _) -> None:
    """Writes which GPUs this process may use."""
    out.write_text(os.environ["CUDA_VISIBLE_DEVICES"])


def sleep(_) -> None:
    """Works until it is killed."""
    time.sleep(600)


def fail(_) -> None:
    sys.exit(3)


@pytest.mark.slow
def test_a_place_of_a_cluster_tells_a_server_that_was_killed_from_a_trial_that_failed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # as the place does, which has a process of its own in a cluster
    place = Place(tmp_path)
    with ThreadPoolExecutor() as pool:
        ending = pool.submit(place.run, sleep, tmp_path / "log.txt")
        while not (tmp_path / "log.txt").exists():
            time.sleep(0.05)
        psutil.Process(place._worker.known.ppid()).kill()
        _, lost = ending.result()
        assert lost
        assert place.run(fail, tmp_path / "again.txt") == ("died: exit code 3", False)


@pytest.mark.slow
def test_a_process_sees_its_own_gpus_before_any_runtime_starts(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")
    workers, files = Workers(2), [tmp_path / name for name in ("first", "second")]
    for file in files:
        workers.start(functools.partial(write_gpus, file), tmp_path / f"{file.name}.txt")
    while workers.running:
        list(workers.wait(1.0))
    assert [file.read_text() for file in files] == ["0,2", "1"]


def end_by(number: int, events: Path | None, _) -> None:
    """Ends this process by a signal; as the kernel does, counts it where it is for want of memory."""
    if events:
        events.write_text("oom_kill 1\n")
    os.kill(os.getpid(), number)


@pytest.mark.slow
def test_a_process_that_is_ended_from_outside_is_lost_unless_it_was_for_memory(tmp_path, monkeypatch):
    events = tmp_path / "memory.events"
    events.write_text("oom_kill 0\n")
    monkeypatch.setattr("tuning.workers.OOM_EVENTS", (tmp_path / "none", events))
    workers, ends = Workers(1), []
    for number, counted in ((signal.SIGKILL, None), (signal.SIGTERM, None), (signal.SIGSEGV, None), (9, events)):
        worker = workers.start(functools.partial(end_by, number, counted), tmp_path / "log.txt")
        while workers.busy:
            list(workers.wait(1.0))
        ends.append((worker.lost, workers.cause_of_death(worker)))
    assert ends == [
        (True, "killed: SIGKILL, perhaps for want of memory"),
        (True, "killed: SIGTERM"),
        (False, "killed: SIGSEGV"),
        (False, "out of memory: the system killed the process"),
    ]
