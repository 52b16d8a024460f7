"""The store of stage outputs: keys name what changed, entries are whole or absent."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.cache import Cache, Ingredients, code_hashes
from pipeline.journal import StageResult
from pipeline.recipe.load import load_recipe
from pipeline.stages import STAGES

INGREDIENTS = Ingredients(
    {"train.epochs": 20}, {"preprocess": "abc"}, {"pipeline.training.fit": "1"}, {"keras": "3.15.1"}
)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path)


def write(cache: Cache, ingredients: Ingredients = INGREDIENTS, text: str = "weights") -> None:
    with cache.lock("train", ingredients.key), cache.write("train", ingredients, run_id="run") as writing:
        (writing.folder / "out.txt").write_text(text)
        writing.result = StageResult("fingerprint", "summary")


def test_an_entry_is_found_by_the_same_ingredients_only(cache):
    write(cache)
    entry = cache.find("train", INGREDIENTS.key)
    assert entry.result == StageResult("fingerprint", "summary")
    assert entry.ingredients == INGREDIENTS
    assert (entry.folder / "out.txt").read_text() == "weights"
    assert cache.find("train", replace(INGREDIENTS, recipe={"train.epochs": 5}).key) is None
    assert cache.find("evaluate", INGREDIENTS.key) is None


def test_every_ingredient_is_in_the_key_and_its_change_is_named():
    changed = {
        "recipe": ({"train.epochs": 5}, "recipe: train.epochs 20 → 5"),
        "inputs": ({"preprocess": "xyz"}, "inputs: preprocess"),
        "code": ({"pipeline.training.fit": "2"}, "code: pipeline.training.fit"),
        "libraries": ({"keras": "3.16.0"}, "libraries: keras 3.15.1 → 3.16.0"),
    }
    for ingredient, (value, said) in changed.items():
        now = replace(INGREDIENTS, **{ingredient: value})
        assert now.key != INGREDIENTS.key
        assert now.changes_since(INGREDIENTS) == [said]
    assert INGREDIENTS.changes_since(INGREDIENTS) == []


def test_a_stage_that_fails_leaves_nothing(cache):
    def fail() -> None:
        with cache.write("train", INGREDIENTS, run_id="run") as writing:
            (writing.folder / "out.txt").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert cache.find("train", INGREDIENTS.key) is None
    assert not list(cache.root.rglob("out.txt"))


def test_a_stage_killed_while_writing_leaves_nothing_that_counts(cache):
    code = f"""
from tests.test_cache import *
cache = Cache(Path({str(cache.root.parent)!r}))
with cache.lock("train", INGREDIENTS.key), cache.write("train", INGREDIENTS, run_id="run") as writing:
    (writing.folder / "out.txt").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1])
    assert killed.returncode == -signal.SIGKILL
    assert list(cache.root.rglob("out.txt"))
    assert cache.find("train", INGREDIENTS.key) is None
    write(cache)
    assert [path.read_text() for path in cache.root.rglob("out.txt")] == ["weights"]


def test_a_forced_run_replaces_the_entry(cache):
    write(cache, text="old")
    write(cache, text="new")
    assert (cache.find("train", INGREDIENTS.key).folder / "out.txt").read_text() == "new"
    assert len(list(cache.root.rglob("out.txt"))) == 1


def test_the_last_run_of_a_name_is_remembered(cache):
    write(cache)
    assert cache.last("digits", "train") is None
    cache.remember("digits", "train", cache.find("train", INGREDIENTS.key))
    assert cache.last("digits", "train").ingredients == INGREDIENTS
    assert cache.last("other", "train") is None


def test_a_lock_dies_with_its_process(cache):
    code = f"""
from tests.test_cache import *
with Cache(Path({str(cache.root.parent)!r})).lock("train", "key"):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1])
    with cache.lock("train", "key"):
        assert os.getpid()


def test_code_is_hashed_with_all_that_it_imports():
    hashes = code_hashes("pipeline.recipe")
    assert {"pipeline.recipe.load", "pipeline.errors", "models.config"} <= set(hashes)
    assert "pipeline.cli" not in hashes


def test_the_code_that_travels_with_a_model_is_an_ingredient_of_its_registration():
    register = next(stage for stage in STAGES if stage.name == "register")
    code = register.ingredients(load_recipe("digits"), dict.fromkeys(register.needs, "")).code
    assert {"pipeline.registry", "pipeline.serving.pyfunc", "pipeline.serving.raw"} <= set(code)


def test_comments_and_docstrings_are_not_code_but_statements_are(tmp_path, monkeypatch):
    from pipeline import cache as module

    file = Path(module.__file__).with_name("errors.py")
    text = file.read_text(encoding="utf-8")
    before = module.source_hash(text)
    assert module.source_hash("# a comment\n" + text.replace("A mistake", "An error")) == before
    assert module.source_hash(text + "\nX = 1\n") != before
