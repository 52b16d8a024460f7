"""A training that was stopped goes on in the same folder, to the bit; what is kept at its end serves more epochs."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.journal import Journal, read_journal
from pipeline.training.arithmetic import differences
from pipeline.training.interruption import Interruption, TrainingStoppedError
from pipeline.training.setup import TrainingSetup
from pipeline.training.train import train
from tests.small_runs import Stages, model, train_section

NETWORK = model(type="mlp", units=[16], dropout=0.2, batch_norm=True)


def trained(prepared: Path, out: Path, *listeners: Any, **section: Any) -> str:
    """Trains, or goes on, in a folder; returns the fingerprint of the network."""
    section = {"optimizer": {"learning_rate": 0.01}, "schedule": {"type": "exponential"}, **section}
    setup = TrainingSetup(section=train_section(**section), model=NETWORK, batch_size=32, seed=3, prepared=prepared)
    out.mkdir(parents=True, exist_ok=True)
    return train(setup, out=out, journal=Journal(out / "journal.jsonl", listeners)).fingerprint


def kill_after(epoch: int, number: signal.Signals) -> Any:
    """A listener that sends this process a signal when the values of an epoch are there."""

    def listen(record: dict[str, Any]) -> None:
        if record["kind"] == "metrics" and record["step"] == epoch:
            os.kill(os.getpid(), number)

    return listen


def history(folder: Path) -> Any:
    return json.loads((folder / "history.json").read_text())


def said(folder: Path) -> list[str]:
    return [record["text"] for record in read_journal(folder / "journal.jsonl") if record["kind"] == "say"]


@pytest.fixture(scope="module")
def whole(digits: Stages, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """Fingerprint and folder of four epochs without a stop."""
    out = tmp_path_factory.mktemp("whole")
    return trained(digits.prepared, out, epochs=4), out


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_saves_the_training_and_the_same_call_goes_on_to_the_same_end(
    digits: Stages, tmp_path: Path, whole: tuple[str, Path], number: signal.Signals, code: int
) -> None:
    with pytest.raises(TrainingStoppedError) as stopped:
        trained(digits.prepared, tmp_path, kill_after(1, number), epochs=4)
    assert stopped.value.code == code
    assert stopped.value.message == "stopped at epoch 2, step 0, and saved: the same command goes on from there"
    assert not (tmp_path / "network.keras").exists()
    fingerprint, undisturbed = whole
    assert trained(digits.prepared, tmp_path, epochs=4) == fingerprint
    assert history(tmp_path) == history(undisturbed)
    assert "goes on from epoch 2, step 0" in said(tmp_path)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_signal_ends_the_process_at_once() -> None:
    script = """
import os, signal
from pipeline.training.interruption import Interruption
with Interruption().held() as interruption:
    os.kill(os.getpid(), signal.SIGTERM)
    assert interruption.number == signal.SIGTERM
    os.kill(os.getpid(), signal.SIGTERM)
    raise AssertionError
"""
    assert subprocess.run([sys.executable, "-c", script], timeout=60).returncode == 143


def test_a_signal_that_came_after_the_last_step_is_not_lost() -> None:
    with pytest.raises(KeyboardInterrupt), Interruption().held():
        os.kill(os.getpid(), signal.SIGINT)


def test_a_signal_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with Interruption().held() as interruption:
        os.kill(os.getpid(), signal.SIGHUP)
    signal.signal(signal.SIGHUP, before)
    assert interruption.number is None


def test_a_torn_checkpoint_is_named_and_the_one_before_it_taken(
    digits: Stages, tmp_path: Path, whole: tuple[str, Path]
) -> None:
    with pytest.raises(TrainingStoppedError):
        trained(digits.prepared, tmp_path, kill_after(1, signal.SIGTERM), epochs=4, checkpoint={"every_epochs": 1})
    before, newest = sorted((tmp_path / "checkpoints").iterdir())
    newest.write_bytes(newest.read_bytes()[:-100])
    assert trained(digits.prepared, tmp_path, epochs=4) == whole[0]
    assert f"warning: {newest.name} is torn or corrupt; the checkpoint before it is taken" in said(tmp_path)
    assert "goes on from epoch 1, step 0" in said(tmp_path)
    assert before.name.startswith("00-000001-")


def test_a_disk_that_takes_no_checkpoint_does_not_end_the_training(
    digits: Stages, tmp_path: Path, whole: tuple[str, Path]
) -> None:
    (tmp_path / "checkpoints").write_text("no folder can be made here")
    assert trained(digits.prepared, tmp_path, epochs=4, checkpoint={"every_steps": 1}) == whole[0]
    warnings = [text for text in said(tmp_path) if "no checkpoint could be written" in text]
    assert len(warnings) == 1


@pytest.mark.slow
@pytest.mark.parametrize("schedule", [{"type": "constant"}, {"type": "step", "every_steps": 7}])
def test_more_epochs_go_on_from_the_state_that_was_kept_as_if_planned_from_the_start(
    digits: Stages, tmp_path: Path, schedule: dict[str, Any]
) -> None:
    section = {"schedule": schedule, "early_stopping": {"patience": 9}}
    short, long, scratch = (tmp_path / name for name in ("short", "long", "scratch"))
    trained(digits.prepared, short, epochs=2, **section)
    shutil.copytree(short / "checkpoints", long / "checkpoints")
    fingerprint = trained(digits.prepared, long, epochs=4, **section)
    assert "goes on from epoch 2, step 0" in said(long)
    assert fingerprint == trained(digits.prepared, scratch, epochs=4, **section)
    assert history(long) == history(scratch)
    curves = [
        [r["values"] for r in read_journal(f / "journal.jsonl") if r.get("step") is not None] for f in (long, scratch)
    ]
    assert curves[0] == curves[1]


def test_the_state_at_the_end_is_removed_where_it_is_not_to_be_kept(digits: Stages, tmp_path: Path) -> None:
    trained(digits.prepared, tmp_path, epochs=1, checkpoint={"keep": False})
    assert not list((tmp_path / "checkpoints").iterdir())


def test_other_threads_or_devices_are_named() -> None:
    assert differences({"threads": "2", "oneDNN": "1"}, {"threads": "4", "oneDNN": "1"}) == ["threads 2 → 4"]
