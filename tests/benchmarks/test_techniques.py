"""The benchmark trains, scores, and goes on where it was stopped; on digits, for two epochs."""

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.catalogue import BASES, TECHNIQUES, written
from benchmarks.techniques import measure, read, run

SHORT = {"train.epochs": 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, place_store: Callable[[Path], str]) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("techniques"))
        place_store(Path("mlruns"))
        yield Path.cwd()


@pytest.mark.slow
def test_trainings_that_have_ended_are_not_repeated_and_repeat_exactly(folder: Path):
    flip = next(each for each in TECHNIQUES if each.name == "Mirroring")
    short, results = dataclasses.replace(flip, both=SHORT), folder / "results.jsonl"
    run([short], ["digits"], range(1), results)
    off, on = read(results)
    assert off.scores != on.scores
    assert off.num_epochs == on.num_epochs == 2
    assert off.secs > 0
    assert 0.1 < off.scores["accuracy"] < 1

    results.write_text(json.dumps(dataclasses.asdict(off)) + "\n")
    run([short], ["digits"], range(1), results)
    first, again = read(results)
    assert first == off
    assert again.scores == on.scores


@pytest.mark.slow
def test_a_diverged_training_is_a_result(folder: Path):
    tree = written(BASES["digits"], SHORT, {"train.optimizer": {"type": "sgd", "learning_rate": 1e9}})
    measured = measure("digits", tree, 0)
    assert "scores" not in measured
    assert measured["error"].startswith("loss became")
