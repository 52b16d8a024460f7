"""Checkpoint files: whole or not taken, whatever happens to the disk."""

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from pipeline.training.checkpoint import Checkpoint, Checkpoints, Place, TornError, read_checkpoint, write_checkpoint

ARRAYS = {
    "kernel": np.arange(6, dtype=np.float32).reshape(2, 3),
    "seed": np.array([1, 2**32 - 1], np.uint32),
    "step": np.array(7, np.int64),
    "nothing": np.zeros((0, 4), np.float32),
    "half": np.array([1.5, -0.0], ml_dtypes.bfloat16),
}


def checkpoint(step: int) -> Checkpoint:
    return Checkpoint(Place(0, 1, step), ARRAYS, {"best": float("inf"), "losses": [0.1, 1 / 3]})


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "checkpoints")


def test_what_is_written_is_read_to_the_bit(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "one", checkpoint(5))
    found = read_checkpoint(tmp_path / "one")
    assert (found.place, found.facts) == (Place(0, 1, 5), checkpoint(5).facts)
    for name, array in ARRAYS.items():
        assert (found.arrays[name].dtype, found.arrays[name].shape) == (array.dtype, array.shape)
        assert found.arrays[name].tobytes() == array.tobytes()


def test_the_last_two_are_kept_and_the_newest_is_taken(checkpoints: Checkpoints) -> None:
    assert checkpoints.latest() is None
    for step in (5, 900, 1000):
        checkpoints.save(checkpoint(step))
    assert len(list(checkpoints.folder.iterdir())) == 2
    found = checkpoints.latest()
    assert found
    assert found.place == checkpoints.place() == Place(0, 1, 1000)


def test_one_that_is_torn_at_any_byte_or_has_any_byte_changed_is_named_and_the_one_before_it_taken(
    checkpoints: Checkpoints,
) -> None:
    checkpoints.save(checkpoint(1))
    checkpoints.save(checkpoint(2))
    newest = max(checkpoints.folder.iterdir())
    whole = newest.read_bytes()
    spoiled = [whole[:length] for length in range(len(whole))]
    spoiled += [whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :] for i in range(len(whole))]
    for content in spoiled:
        newest.write_bytes(content)
        said: list[str] = []
        found = checkpoints.latest(said.append)
        assert found
        assert found.place == Place(0, 1, 1)
        assert newest.name in said[0]
        assert not newest.exists(), "it would count as the newest one for ever"


def test_where_all_are_torn_there_is_none(checkpoints: Checkpoints) -> None:
    checkpoints.save(checkpoint(1))
    (file,) = checkpoints.folder.iterdir()
    file.write_bytes(b"")
    with pytest.raises(TornError, match=r"expected a whole checkpoint"):
        read_checkpoint(file)
    assert checkpoints.latest() is None


def test_what_a_killed_process_left_half_written_is_not_taken(checkpoints: Checkpoints) -> None:
    checkpoints.save(checkpoint(1))
    (file,) = checkpoints.folder.iterdir()
    file.rename(file.with_name("00-000001-000000002.tmp"))
    assert checkpoints.latest() is None
