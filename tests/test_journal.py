"""The journal of a stage: whole records only, whatever a kill, a bad disk or a full one left behind."""

import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.journal import Journal, Record, read_journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def contents(path: Path) -> list[Record]:
    """Records without what differs from one writing to the next."""
    return [{k: v for k, v in record.items() if k not in ("seq", "time")} for record in read_journal(path)]


def write_small(path: Path) -> list[Record]:
    journal = Journal(path)
    for epoch in range(3):
        journal.log_metrics({"loss": 1 / (epoch + 3), "val_loss": math.inf}, step=epoch)
    journal.set_tags({"größe": 'ein "Wert"\n'})
    journal.say("fertig – gut")
    return contents(path)


def test_records_come_back_as_they_were_written(path: Path) -> None:
    told: list[Record] = []
    journal = Journal(path, (told.append,))
    journal.log_metrics({"loss": 0.1}, step=0)
    journal.log_metrics({"best/loss": math.nan})
    journal.log_artifact(path.parent / "artifacts" / "curves.png")
    journal.say("done")
    kinds = [record.get("path", record["kind"]) for record in read_journal(path)]
    assert kinds == ["metrics", "metrics", "artifacts/curves.png", "say"]
    assert [record["seq"] for record in read_journal(path)] == [0, 1, 2, 3]
    assert repr(told) == repr(list(read_journal(path)))


def test_each_line_is_json(path: Path) -> None:
    write_small(path)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["seq"] for line in lines] == list(range(5))


def test_a_journal_torn_at_any_byte_goes_on_from_its_last_whole_record(path: Path) -> None:
    records = write_small(path)
    whole = path.read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == ord("\n")]
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        kept = sum(end <= size for end in ends)
        assert contents(path) == records[:kept]
        journal = Journal(path)
        torn = size - ([0, *ends][kept])
        said = [f"journal: its last {torn} bytes were torn or corrupt and were cut off"] if torn else []
        assert [r["text"] for r in contents(path)[kept:]] == said
        journal.say("goes on")
        assert contents(path)[:kept] + contents(path)[-1:] == [*records[:kept], {"kind": "say", "text": "goes on"}]


def test_a_changed_byte_anywhere_is_noticed(path: Path) -> None:
    records = write_small(path)
    whole = path.read_bytes()
    line_of = [whole[:i].count(b"\n") for i in range(len(whole))]
    for i in range(len(whole)):
        path.write_bytes(whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :])
        assert contents(path) == records[: line_of[i]]


def test_what_is_there_already_is_neither_written_nor_told_again(path: Path) -> None:
    records = write_small(path)
    told: list[Record] = []
    journal = Journal(path, (told.append,))
    journal.log_metrics({"loss": 1 / 4, "val_loss": math.inf}, step=1)
    journal.log_metrics({"loss": 1 / 5, "val_loss": math.inf}, step=2)
    journal.log_metrics({"loss": 1 / 6, "val_loss": 0.5}, step=3)
    assert [record["step"] for record in told] == [3]
    assert contents(path) == [*records, contents(path)[-1]]


def test_the_same_line_said_twice_at_once_is_two_records(path: Path) -> None:
    for _ in range(2):
        journal = Journal(path)
        journal.say("learning rate halved")
        journal.say("learning rate halved")
    assert len(contents(path)) == 2


def test_an_epoch_that_differs_is_said_and_the_new_value_counts(path: Path) -> None:
    Journal(path).log_metrics({"loss": 0.5, "epoch_secs": 3.0}, step=7)
    told: list[Record] = []
    Journal(path, (told.append,)).log_metrics({"loss": 0.25, "epoch_secs": 4.0}, step=7)
    assert [record["kind"] for record in told] == ["say", "metrics"]
    assert told[0]["text"] == ("epoch 7 differs from what was recorded before the run was stopped: loss 0.5 → 0.25")
    assert contents(path)[-1]["values"]["loss"] == 0.25


def test_a_clock_that_reads_otherwise_is_no_difference(path: Path) -> None:
    for secs in (3.0, 4.0):
        Journal(path).log_metrics({"loss": 0.5, "epoch_secs": secs}, step=7)
    assert len(contents(path)) == 1


def test_a_value_of_the_whole_run_may_change(path: Path) -> None:
    for value in (1.0, 2.0):
        Journal(path).log_metrics({"best/loss": value})
    assert [record["values"] for record in contents(path)] == [{"best/loss": 1.0}, {"best/loss": 2.0}]


def test_a_folder_that_is_gone_is_said(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "gone" / "journal.jsonl")
    with pytest.raises(UserError, match=r"expected a file that can be written\. Received: No such file"):
        journal.say("hello")


READ_ONLY = """
import os, sys
from pathlib import Path
from pipeline.errors import UserError
from pipeline.journal import Journal

if os.geteuid() == 0:  # who may write everywhere
    os.setuid(65534)
try:
    Journal(Path(sys.argv[1])).say("hello")
except UserError as error:
    print(error)
"""


def test_a_read_only_journal_is_said() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.jsonl"
        write_small(path)
        path.chmod(0o444)
        Path(folder).chmod(0o755)
        arguments = [sys.executable, "-c", READ_ONLY, str(path)]
        assert "Permission denied" in subprocess.run(arguments, capture_output=True, text=True, check=True).stdout
