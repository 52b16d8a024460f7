"""What sends a run while it goes on: it ends with the run; the process with its folder too, and not with Ctrl-C."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from pipeline.tracking import RunFolder, open_store
from pipeline.tracking.background import LOG, NICENESS, ShipperProcess, ShipperThread
from tests.test_tracking import NOBODY
from tests.tracking.ledger import assert_all_there_once
from tests.tracking.writing import open_at, write_run

PATIENCE_SECS = 150


@pytest.mark.slow
def test_it_sends_what_a_process_that_died_has_left_and_ends(tmp_path: Path) -> None:
    folder = write_run(open_at(tmp_path), tmp_path / "out")
    (folder.path / "sent.json").unlink()
    command = [sys.executable, "-m", "pipeline.tracking.shipper", str(folder.path)]
    subprocess.run(command, check=True, timeout=PATIENCE_SECS)
    (tmp_path / "copies").mkdir()
    assert_all_there_once(folder, open_store("sqlite:///mlruns/mlflow.db", tmp_path), tmp_path / "copies")


@pytest.mark.slow
def test_it_is_out_of_reach_of_ctrl_c_and_ends_when_its_folder_is_deleted(tmp_path: Path) -> None:
    folder = write_run(open_at(tmp_path, NOBODY), tmp_path / "out")
    with folder.writing():
        process = started(folder)
        assert os.getsid(process.pid) != os.getsid(0)
        wait_until_it_has_tried(folder)
        assert process.poll() is None
        assert psutil.Process(process.pid).nice() == min(psutil.Process().nice() + NICENESS, 19)
        shared = Path(f"/proc/{process.pid}/autogroup")
        said = shared.read_text() if shared.exists() else ""
        assert not said or f"nice {NICENESS}" in said
        shutil.rmtree(folder.path)
        process.wait(PATIENCE_SECS)
    assert not folder.path.exists()


def test_a_thread_sends_while_the_run_goes_on_and_ends_with_it(tmp_path: Path) -> None:
    folder = write_run(open_at(tmp_path), tmp_path / "out")
    (folder.path / "sent.json").unlink()
    lines = folder.journal.read_bytes().splitlines(keepends=True)
    folder.journal.write_bytes(b"".join(lines[:4]))
    with folder.writing():
        shipper = ShipperThread(folder)
        wait_until_sent(folder, 4)
        with folder.journal.open("ab") as journal:
            journal.write(b"".join(lines[4:]))
        wait_until_sent(folder, len(lines))
        shipper.end(sent=False)
        assert not shipper.thread.is_alive()
    (tmp_path / "copies").mkdir()
    assert_all_there_once(folder, open_store("sqlite:///mlruns/mlflow.db", tmp_path), tmp_path / "copies")


def test_a_thread_says_in_a_file_what_it_could_not_send(tmp_path: Path) -> None:
    folder = write_run(open_at(tmp_path, NOBODY), tmp_path / "out")
    shipper = ShipperThread(folder)
    wait_until_it_has_tried(folder)
    shipper.end(sent=False)
    assert not shipper.thread.is_alive()


def wait_until_sent(folder: RunFolder, number: int) -> None:
    until = time.monotonic() + PATIENCE_SECS
    while folder.sent.next < number:
        assert time.monotonic() < until
        time.sleep(0.1)


def started(folder: RunFolder) -> "subprocess.Popen[bytes]":
    background, until = ShipperProcess(folder), time.monotonic() + PATIENCE_SECS
    while background.process is None:
        assert time.monotonic() < until
        time.sleep(0.1)
    return background.process


def wait_until_it_has_tried(folder: RunFolder) -> None:
    log, until = folder.path / LOG, time.monotonic() + PATIENCE_SECS
    while not log.exists() or NOBODY not in log.read_text():
        assert time.monotonic() < until
        time.sleep(0.1)
