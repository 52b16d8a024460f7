"""Looks at a sealed test set are counted, and many of them are spoken of."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.looks import MANY, Looks, num_models, optimism, warning


def test_each_look_is_recorded_with_run_recipe_and_time(tmp_path: Path) -> None:
    Looks(tmp_path, "run1", "digits").record("aa", "m1")
    found = Looks(tmp_path, "run2", "wider").record("aa", "m2")
    assert [(look.run, look.recipe, look.answers) for look in found] == [
        ("run1", "digits", "m1"),
        ("run2", "wider", "m2"),
    ]
    assert found[0].time.startswith("20")
    assert len(Looks(tmp_path, "run3", "digits").record("bb", "m1")) == 1


def test_a_line_that_was_left_half_written_hides_no_other(tmp_path: Path) -> None:
    looks = Looks(tmp_path, "run", "digits")
    looks.record("aa", "m1")
    with (tmp_path / "aa.jsonl").open("a") as file:
        file.write('{"time": "2026-')
    assert [look.answers for look in looks.record("aa", "m2")] == ["m1", "m2"]
    assert [look.answers for look in looks.record("aa", "m3")] == ["m1", "m2", "m3"]


def test_the_same_model_again_is_no_new_one(tmp_path: Path) -> None:
    looks = Looks(tmp_path, "run", "digits")
    for _ in range(2 * MANY):
        found = looks.record("aa", "same")
    assert (len(found), num_models(found)) == (2 * MANY, 1)
    assert warning(found, "accuracy", 0.01) == ""


def test_many_models_bring_a_warning_with_its_size(tmp_path: Path) -> None:
    found = [Looks(tmp_path, f"run{i}", f"r{i % 3}").record("aa", f"m{i}") for i in range(MANY)]
    assert [bool(warning(looks, "accuracy", 0.01)) for looks in found] == [False] * (MANY - 1) + [True]
    assert "have measured 10 models of 3 recipes since 20" in warning(found[-1], "accuracy", 0.01)
    assert "better by up to 0.0155 accuracy by chance" in warning(found[-1], "accuracy", 0.01)


@pytest.mark.parametrize("count", [10, 50])
def test_the_optimism_is_that_of_the_best_of_equal_models(count: int) -> None:
    drawn = np.random.Generator(np.random.PCG64(0)).normal(0, 0.01, size=(20_000, count)).max(axis=1).mean()
    assert optimism(count, 0.01) == pytest.approx(drawn, rel=0.02)
