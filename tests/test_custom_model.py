"""A custom model's code is found by the recipe and counts as an ingredient of its training."""

import shutil
from pathlib import Path

import pytest

from pipeline.recipe.errors import RecipeError
from pipeline.recipe.load import dump_recipe, load_recipe
from pipeline.stages import NAMES, STAGES

NETS = "import keras\nfrom parts import WIDTH\n\n\ndef build(x):\n    return keras.layers.Dense(WIDTH)(x)\n"
RECIPE = "name: own\ndata: {type: breast_cancer}\nmodel: {type: custom, entry: 'own_nets:build'}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "own_nets.py").write_text(NETS)
    (folder / "parts.py").write_text("WIDTH = 3\n")
    (folder / "own.yaml").write_text(RECIPE)
    return folder


def key(recipe: Path) -> str:
    stage = STAGES[NAMES.index("train")]
    return stage.ingredients(load_recipe(recipe), {"preprocess": "the same"}).key


def test_code_that_changes_anything_changes_the_key(folder: Path, tmp_path: Path) -> None:
    before = key(folder / "own.yaml")
    (folder / "parts.py").write_text("# As wide as before.\nWIDTH = 3\n")
    assert key(folder / "own.yaml") == before
    shutil.copytree(folder, tmp_path / "elsewhere")
    assert key(tmp_path / "elsewhere/own.yaml") == before
    (folder / "parts.py").write_text("WIDTH = 4\n")
    assert key(folder / "own.yaml") != before


def test_the_module_lies_beside_the_recipe_or_in_the_working_directory(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_recipe(folder / "own.yaml").model.folder == str(folder)
    (tmp_path / "recipes").mkdir()
    moved = (folder / "own.yaml").rename(tmp_path / "recipes/own.yaml")
    with pytest.raises(RecipeError, match=r"own.yaml:3: model.entry: expected a module. There is no `own_nets` beside"):
        load_recipe(moved)
    monkeypatch.chdir(folder)
    assert load_recipe(moved).model.folder == str(folder)


def test_a_folder_that_is_given_is_relative_to_the_recipe(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "recipes").mkdir()
    recipe = tmp_path / "recipes/own.yaml"
    recipe.write_text(RECIPE.replace("entry:", "folder: ../project, entry:"))
    loaded = load_recipe(recipe)
    assert loaded.model.folder == str(folder)
    copy = tmp_path / "recipes/copy.yaml"
    copy.write_text(dump_recipe(loaded))
    assert load_recipe(copy) == loaded
