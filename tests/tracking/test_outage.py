"""A server in the way: stopped, killed, back without its data, slow, or failing; the run does not notice."""

import os
import random
import signal
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.runs import compare_runs, list_runs
from pipeline.tracking import Run, Sender, open_store
from pipeline.ui import mlflow_server
from tests.test_tracking import NOBODY
from tests.tracking.killing import send
from tests.tracking.ledger import assert_all_there_once
from tests.tracking.proxy import FAULTS, proxy_before
from tests.tracking.writing import open_at, write_run

Server = tuple[str, "subprocess.Popen[bytes]"]

WAIT_SECS = 90.0


def arguments(folder: Path) -> list[str]:
    """Where a server keeps what it is sent."""
    return ["--backend-store-uri", f"sqlite:///{folder}/server.db", "--artifacts-destination", f"{folder}/kept"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with mlflow_server(arguments(tmp_path_factory.mktemp("server")), port=5100) as running:
        yield running


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + WAIT_SECS
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.1)


def copies(base: Path) -> Path:
    (base / "copies").mkdir()
    return base / "copies"


@pytest.mark.slow
def test_a_server_that_fails_is_slow_and_loses_answers_has_everything_once(server: Server, tmp_path: Path) -> None:
    generator, met = random.Random(3), list[str]()

    def fault() -> str:
        met.append(generator.choice(FAULTS))
        return met[-1]

    folder = write_run(open_at(tmp_path, NOBODY), tmp_path / "out", epochs=30)
    with proxy_before(server[0]) as proxy:
        proxy.fault = fault
        send(str(folder.path), proxy.uri)
    print({kind: met.count(kind) for kind in dict.fromkeys(FAULTS)})
    assert min(met.count(kind) for kind in FAULTS) > 0
    assert_all_there_once(folder, open_store(server[0], tmp_path), copies(tmp_path))


@pytest.mark.slow
def test_a_server_stopped_then_killed_then_back_empty_gets_everything(server: Server, tmp_path: Path) -> None:
    secs: dict[str, list[float]] = {"there": [], "stopped": [], "gone": []}
    phase = ["there"]
    with mlflow_server(arguments(tmp_path), port=5200) as (first, process), proxy_before(first) as proxy:

        def live_through(run: Run, epoch: int) -> None:
            begun = time.perf_counter()
            run.record("metrics", values={"load": epoch / 7}, step=epoch)
            secs[phase[0]].append(time.perf_counter() - begun)
            if epoch == 20:
                wait_for(lambda: run.folder.sent.next > 20)
                os.killpg(process.pid, signal.SIGSTOP)
                phase[0] = "stopped"
            if epoch == 40:
                wait_for(lambda: "timed out" in (run.folder.path / "shipper.log").read_text())
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                phase[0] = "gone"

        folder = write_run(open_at(tmp_path, proxy.uri), tmp_path / "out", epochs=60, after_epoch=live_through)
        assert 20 < folder.sent.next < len(list(folder.records()))
        proxy.upstream = server[0]
        Sender(folder).send()
    for name, times in secs.items():
        print(f"{name}: {1e6 * statistics.median(times):.0f} µs a record, at most {1e3 * max(times):.1f} ms")
    ledger = assert_all_there_once(folder, open_store(server[0], tmp_path), copies(tmp_path))
    assert set(ledger.statuses.values()) == {"FINISHED"}
    assert len(ledger.metrics) == 60 * 3 + 2


@pytest.mark.slow
def test_a_run_goes_on_when_the_server_wakes_up(server: Server, tmp_path: Path) -> None:
    uri, process = server

    def live_through(run: Run, epoch: int) -> None:
        if epoch == 3:
            wait_for(lambda: run.folder.sent.next > 3)
            os.killpg(process.pid, signal.SIGSTOP)
        if epoch == 6:
            os.killpg(process.pid, signal.SIGCONT)
            wait_for(lambda: run.folder.sent.next > 12)

    said: list[str] = []
    folder = write_run(open_at(tmp_path, uri, said.append), tmp_path / "out", epochs=9, after_epoch=live_through)
    assert said == []
    assert_all_there_once(folder, open_store(uri, tmp_path), copies(tmp_path))


def test_runs_and_compare_need_no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tracking = open_at(tmp_path, NOBODY)
    folders = [write_run(tracking, tmp_path / f"out{epochs}", epochs=epochs) for epochs in (2, 4)]
    said: list[str] = []
    rows = list_runs(NOBODY, say=said.append)
    assert [(row.id, row.status) for row in rows] == [(f.path.name[:8], "FINISHED") for f in reversed(folders)]
    assert "These are the runs recorded here" in said[0]
    assert list_runs(NOBODY, status="FAILED") == []
    metrics = {pair.key: (pair.left, pair.right) for pair in compare_runs(NOBODY, rows[1].id, rows[0].id).metrics}
    assert metrics["loss"] == (0.5, 0.25)


def test_a_run_recorded_before_its_server_was_back_is_listed_once(server: Server, tmp_path: Path) -> None:
    folder = write_run(open_at(tmp_path, NOBODY), tmp_path / "out")
    Sender(folder, server[0]).send()
    listed = [row.id for row in list_runs(server[0]) if row.id == folder.path.name[:8]]
    assert len(listed) == 1
