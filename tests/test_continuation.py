"""What a training may go on from, and what is said where it may not."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.cache import Cache, Ingredients
from pipeline.continuation import Continuation, find_continuation
from pipeline.journal import StageResult
from pipeline.recipe.extension import obstacle
from pipeline.recipe.train import TrainConfig
from pipeline.training.checkpoint import Checkpoint, Checkpoints, Place

KEEPS = "checkpoints"
COSINE = {"schedule": {"type": "cosine"}}


def ingredients(**recipe: Any) -> Ingredients:
    keys = {"train.epochs": 10, "model.dropout": 0.5} | {
        key.replace("_", ".", 1): value for key, value in recipe.items()
    }
    return Ingredients(keys, {"preprocess": "abc"}, {"pipeline.training.fit": "1"}, {"keras": "3.15.1"})


def leave(cache: Cache, of: Ingredients, place: Place, *, finished: bool) -> None:
    """Leaves what a training leaves that was stopped, or that ended."""

    def write() -> None:
        with cache.lock("train", of.key), cache.write("train", of, "0123456789abcdef", keeps=KEEPS) as writing:
            Checkpoints(writing.folder / KEEPS).save(Checkpoint(place, {"a": np.zeros(2)}, {}))
            if not finished:
                raise KeyboardInterrupt
            writing.result = StageResult("fingerprint", "summary")

    if finished:
        write()
    else:
        with pytest.raises(KeyboardInterrupt):
            write()


def found(cache: Cache, of: Ingredients, **train: Any) -> Continuation | str | None:
    return find_continuation(cache, "train", KEEPS, of, TrainConfig.model_validate(train))


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path)


def test_the_same_training_goes_on_where_it_was_stopped(cache: Cache) -> None:
    leave(cache, ingredients(), Place(0, 3, 7), finished=False)
    same = found(cache, ingredients())
    assert isinstance(same, Continuation)
    assert same.is_same
    assert same.run_id == "0123456789abcdef"
    assert same.reason == "goes on from epoch 3, step 7 of run 01234567"


@pytest.mark.parametrize("finished", [True, False])
def test_more_epochs_go_on_from_fewer(cache: Cache, finished: bool) -> None:
    leave(cache, ingredients(train_epochs=5), Place(0, 4, 0), finished=finished)
    shorter = found(cache, ingredients(), schedule={"type": "step", "every_steps": 5})
    assert isinstance(shorter, Continuation)
    assert not shorter.is_same
    assert shorter.reason == "train.epochs 5 → 10: goes on from epoch 4, step 0 of run 01234567"
    with cache.write("train", ingredients(), "run", keeps=KEEPS, origin=shorter.folder) as writing:
        assert Checkpoints(writing.folder / KEEPS).place() == Place(0, 4, 0)
        writing.result = StageResult("fingerprint", "summary")


@pytest.mark.parametrize(
    ("train", "reason"),
    [
        ({"schedule": {"type": "cosine"}}, r"train\.schedule: cosine ends with the last epoch"),
        ({"schedule": {"type": "one_cycle"}}, r"train\.schedule: one_cycle"),
        ({"schedule": {"type": "polynomial"}}, r"train\.schedule: polynomial"),
        ({"averaging": {"type": "swa"}}, r"train\.averaging: swa begins after a share"),
        ({"fine_tuning": {}}, r"train\.fine_tuning: begins after the last"),
    ],
)
def test_what_depends_on_the_number_of_epochs_forbids_it_and_is_named(cache: Cache, train: Any, reason: str) -> None:
    leave(cache, ingredients(train_epochs=5), Place(0, 5, 0), finished=True)
    said = found(cache, ingredients(), **train)
    assert isinstance(said, str)
    assert said.startswith("cannot go on from fewer epochs: ")
    assert re.search(reason, said)


def test_a_longer_budget_goes_on_from_a_smaller_one(cache: Cache) -> None:
    leave(cache, ingredients(train_budget="1m"), Place(0, 4, 0), finished=True)
    longer = found(cache, ingredients(train_budget="2m"), budget="2m")
    assert isinstance(longer, Continuation)
    assert longer.reason == "train.budget 1m → 2m: goes on from epoch 4, step 0 of run 01234567"
    said = found(cache, ingredients(train_budget="2m"), budget="2m", schedule={"type": "cosine"})
    assert said == f"cannot go on from fewer epochs: {obstacle(TrainConfig.model_validate(COSINE))}"
    assert found(cache, ingredients(train_budget="50s"), budget="50s") is None
    assert found(cache, ingredients(train_epochs=20), epochs=20) is None, "a number of epochs is no budget"


def test_fewer_epochs_do_not_go_on_from_more(cache: Cache) -> None:
    leave(cache, ingredients(train_epochs=20), Place(0, 20, 0), finished=True)
    assert found(cache, ingredients()) is None


def test_another_recipe_begins_and_the_key_that_differs_is_named(cache: Cache) -> None:
    leave(cache, ingredients(), Place(0, 3, 7), finished=False)
    said = found(cache, ingredients(model_dropout=0.4))
    assert said == (
        "an unfinished training of run 01234567 stands at epoch 3, step 7; it is another one: recipe: model.dropout "
        "0.5 → 0.4"
    )


def test_what_a_process_is_still_writing_is_left_alone(cache: Cache) -> None:
    leave(cache, ingredients(train_epochs=5), Place(0, 4, 0), finished=False)
    with cache.lock("train", ingredients(train_epochs=5).key):
        assert found(cache, ingredients()) is None


def test_without_a_checkpoint_nothing_is_left(cache: Cache) -> None:
    def fail() -> None:
        with cache.lock("train", ingredients().key), cache.write("train", ingredients(), "run", keeps=KEEPS):
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        fail()
    assert found(cache, ingredients()) is None
    assert [path.name for path in (cache.root / "train").iterdir()] == [f".{ingredients().key}.lock"]
