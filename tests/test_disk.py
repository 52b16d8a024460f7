"""Full and read-only disks: what is there stays whole, nothing half is taken for whole, and with space it goes on."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.cache import Cache, Ingredients
from pipeline.collect import collect
from pipeline.errors import UserError
from pipeline.journal import Journal, StageResult, read_journal
from pipeline.recipe.data import DigitsConfig
from pipeline.tracking.folder import Header, RunFolder, Sent, run_folders
from pipeline.training.checkpoint import Checkpoint, Checkpoints, Place
from tests.disks import Disk, limited, mounted, read_only

INGREDIENTS = Ingredients({"train.epochs": 3}, {}, {}, {})
HEADER = Header("0" * 32, "digits", "digits", "sqlite:///mlflow.db", 0, {f"key{i}": i for i in range(900)}, False)
NO_SPACE = r"No space left|File too large"


@pytest.fixture(params=["limited", "mounted"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    if request.param == "limited":
        with limited(tmp_path) as found:
            yield found
        return
    with mounted(tmp_path / "disk") as small:
        if small is None:
            pytest.skip("nothing may be mounted here: the limit on the size of files, which has run, stands for it")
        yield small


@pytest.fixture
def real_disk(tmp_path: Path) -> Iterator[Disk]:
    with mounted(tmp_path / "disk") as small:
        if small is None:
            pytest.skip("nothing may be mounted here")
        yield small


def checkpoint(step: int) -> Checkpoint:
    return Checkpoint(Place(0, 1, step), {"kernel": np.arange(1000, dtype=np.float32)}, {})


def test_a_full_disk_leaves_the_last_whole_checkpoint_and_no_half_one(disk: Disk) -> None:
    checkpoints = Checkpoints(disk.folder / "checkpoints")
    checkpoints.save(checkpoint(1))
    disk.fill()
    with pytest.raises(OSError, match=NO_SPACE):
        checkpoints.save(checkpoint(2))
    assert [file.name for file in checkpoints.folder.iterdir()] == ["00-000001-000000001.checkpoint"]
    found = checkpoints.latest()
    assert found
    assert found.place.step == 1
    disk.free()
    checkpoints.save(checkpoint(3))
    assert checkpoints.place() == Place(0, 1, 3)


def test_a_full_disk_is_said_by_the_journal_which_holds_whole_records_only(disk: Disk) -> None:
    path = disk.folder / "journal.jsonl"
    journal = Journal(path)
    journal.say("begins")
    disk.fill()
    with pytest.raises(UserError, match=r"journal\.jsonl: expected a file that can be written"):
        _log(journal, 1000)
    assert path.read_bytes().endswith(b"\n")
    count = len(list(read_journal(path)))
    disk.free()
    journal.say("there is space again")
    assert [record["seq"] for record in read_journal(path)] == list(range(count + 1))


def test_the_folder_of_a_run_is_there_whole_or_not_at_all(disk: Disk) -> None:
    root = disk.folder / "runs"
    disk.fill()
    with pytest.raises(OSError, match=NO_SPACE):
        RunFolder.create(root, HEADER)
    assert list(run_folders(root)) == []
    disk.free()
    folder = RunFolder.create(root, HEADER)
    assert folder.header == HEADER
    folder.save_sent(Sent("there", next=7))
    disk.fill()
    with pytest.raises(OSError, match=NO_SPACE):
        folder.save_sent(Sent("there", refused=["x" * 5000]))
    with pytest.raises(OSError, match=NO_SPACE):
        folder.keep_text("name: digits" * 500, "recipe.yaml")
    assert folder.sent == Sent("there", next=7)
    assert not folder.artifact("recipe.yaml").exists()


def test_a_stage_that_could_not_be_written_is_not_there_and_the_one_before_it_is(disk: Disk) -> None:
    cache, key = Cache(disk.folder), INGREDIENTS.key

    def write(text: str) -> None:
        with cache.lock("train", key), cache.write("train", INGREDIENTS, "run") as writing:
            (writing.folder / "weights").write_text(text)
            writing.result = StageResult(text[:5], "")

    write("first")
    disk.fill()
    with pytest.raises(OSError, match=NO_SPACE):
        write("other" * 10000)
    entry = cache.find("train", key)
    assert entry
    assert (entry.result.fingerprint, (entry.folder / "weights").read_text()) == ("first", "first")
    assert list(disk.folder.rglob("*.partial")) == []
    disk.free()
    write("third")
    assert (entry.folder / "weights").read_text() == "third"


def test_a_read_only_disk_is_said_and_changes_nothing(real_disk: Disk) -> None:
    checkpoints, path = Checkpoints(real_disk.folder / "checkpoints"), real_disk.folder / "journal.jsonl"
    journal = Journal(path)
    journal.say("begins")
    checkpoints.save(checkpoint(1))
    with read_only(real_disk):
        with pytest.raises(OSError, match="Read-only"):
            checkpoints.save(checkpoint(2))
        with pytest.raises(UserError, match="Read-only"):
            journal.say("hello")
        with pytest.raises(OSError, match="Read-only"), Cache(real_disk.folder).write("train", INGREDIENTS, "run"):
            raise AssertionError
        assert checkpoints.place() == Place(0, 1, 1)
    journal.say("goes on")
    assert [record["text"] for record in read_journal(path)] == ["begins", "goes on"]


def _log(journal: Journal, num_epochs: int) -> None:
    for epoch in range(num_epochs):
        journal.log_metrics({"loss": 1.0}, step=epoch)


def test_a_full_disk_is_said_where_tfds_writes(real_disk: Disk, tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"\[Errno 28\] No space left on device: '.*disk.*'"):
        collect(DigitsConfig(type="digits"), out=real_disk.folder, journal=Journal(tmp_path / "journal.jsonl"))
