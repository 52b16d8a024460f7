"""A run is trained again: identical, or the step, the tensor and the ingredient that differ."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.execution import run
from pipeline.replay import replay
from pipeline.training.trail import is_chosen


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, place_store: Callable[[Path], str]) -> tuple[Path, str, Path]:
    """The directory of a run, its id and what it trained."""
    folder = tmp_path_factory.mktemp("replayed")
    random = np.random.Generator(np.random.PCG64(0))
    numbers = random.normal(size=(200, 3))
    lines = [f"{a:.3f},{b:.3f},{c:.3f},{'yes' if a + b > c else 'no'}" for a, b, c in numbers]
    (folder / "data.csv").write_text("\n".join(["a,b,c,label", *lines]))
    recipe: dict[str, Any] = {
        "name": "replayed",
        "data": {"type": "csv", "path": str(folder / "data.csv"), "label": "label", "batch_size": 16},
        "model": {"type": "mlp", "units": [8], "dropout": 0.2},
        "train": {"epochs": 3},
        "tracking": {"directory": str(folder / "mlruns"), "uri": place_store(folder)},
    }
    done = run(recipe, until="train")
    return folder / "mlruns", done.run_id, done.folder("train")


def change(trained: Path, monkeypatch: pytest.MonkeyPatch, name: str, **keys: Any) -> None:
    """Lets a file of the run have said something else, for one test."""
    read = Path.read_text

    def altered(self: Path, *args: Any, **options: Any) -> str:
        text = read(self, *args, **options)
        if self != trained / name:
            return text
        tree = json.loads(text)
        for key, edit in keys.items():
            tree[key] = edit(tree[key])
        return json.dumps(tree)

    monkeypatch.setattr(Path, "read_text", altered)


def test_the_same_code_and_data_give_the_run_again(trained: tuple[Path, str, Path]) -> None:
    directory, run_id, _ = trained
    found = replay(directory, run_id[:8])
    assert found.difference is None
    assert found.changed == []
    assert found.is_whole
    assert found.text == f"identical: {found.num_compared} chosen steps, history and weights that were kept"


def test_some_steps_are_enough_where_asked_for(trained: tuple[Path, str, Path]) -> None:
    directory, _, _ = trained
    found = replay(directory, "replayed", steps=5)
    assert (found.num_compared, found.is_whole, found.difference) == (3, False, None)


def test_the_first_tensor_that_differs_is_named_and_what_changed(
    trained: tuple[Path, str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    directory, run_id, folder = trained

    def other_bias(trail: Any) -> Any:
        name = next(name for name in trail[2][4] if name.endswith("bias"))
        trail[2][4][name] = "0" * 16
        return trail

    change(folder, monkeypatch, "trail.json", trail=other_bias, arithmetic=lambda facts: {**facts, "oneDNN": "2"})
    found = replay(directory, run_id)
    assert found.difference
    assert found.difference.startswith("first at epoch 0, step 5: network/")
    assert found.difference.endswith("epoch 0, step 2 was the same")
    assert found.changed == ["hardware: oneDNN 2 → 1"]


def test_other_code_is_named(trained: tuple[Path, str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    directory, run_id, folder = trained

    def other_code(ingredients: Any) -> Any:
        ingredients["code"]["pipeline.training.loop"] = "0"
        return ingredients

    change(folder, monkeypatch, "entry.json", ingredients=other_code)
    found = replay(directory, run_id, steps=1)
    assert found.changed == ["code: pipeline.training.loop"]
    assert found.difference is None, "the change did not matter"


def test_a_recipe_that_was_changed_is_named(trained: tuple[Path, str, Path]) -> None:
    directory, run_id, _ = trained
    file = directory / "runs" / run_id / "artifacts" / "recipe.yaml"
    written = file.read_text()
    assert "dropout: 0.2" in written
    try:
        file.write_text(written.replace("dropout: 0.2", "dropout: 0.3"))
        found = replay(directory, run_id, steps=1)
    finally:
        file.write_text(written)
    assert found.changed == ["recipe: model.dropout 0.2 → 0.3"]
    assert found.text.startswith("differs: first at epoch 0, step 1: ")


def test_data_that_was_changed_is_named_and_what_was_kept_is_trained_on(trained: tuple[Path, str, Path]) -> None:
    directory, run_id, _ = trained
    source = directory.parent / "data.csv"
    written = source.read_text()
    try:
        source.write_text(written + "\n1.0,1.0,0.0,yes")
        found = replay(directory, run_id, steps=1)
    finally:
        source.write_text(written)
    assert (found.difference, found.changed) == (
        None,
        ["data: its source (trained on again is what the run kept of it)"],
    )


def test_a_training_that_is_longer_than_the_run_differs(
    trained: tuple[Path, str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    directory, run_id, folder = trained
    change(folder, monkeypatch, "trail.json", trail=lambda trail: trail[:2])
    assert replay(directory, run_id).difference == "the run had ended where this has epoch 0, step 5"


def test_a_run_that_is_not_there_is_a_user_error(trained: tuple[Path, str, Path]) -> None:
    with pytest.raises(UserError, match="expected the id or the name of a run"):
        replay(trained[0], "ffff")


def test_few_steps_are_chosen() -> None:
    assert [step for step in range(1, 1001) if is_chosen(step)] == [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]
