"""The generated documentation is of the schema as it is."""

import importlib.util
import json
import re
from pathlib import Path

from pipeline.recipe.evaluate import METRICS
from pipeline.recipe.load import load_recipe
from pipeline.recipe.objective import KERAS_METRICS
from pipeline.recipe.reference import json_schema, reference
from pipeline.recipe.tree import flatten

ROOT = Path(__file__).parents[2]


def test_the_recipe_reference_is_current():
    assert (ROOT / "docs/recipe.md").read_text(encoding="utf-8") == reference(), "run `make docs`"


def test_the_reference_names_every_key():
    text = reference()
    for name in ("digits", "breast_cancer", "docstrings"):
        for dotted in flatten(load_recipe(name).model_dump(by_alias=True)):
            leaf = next(part for part in reversed(dotted.split(".")) if not part.isdigit())
            assert f"`{leaf}`" in text or ".gate." in dotted


def test_the_reference_names_every_metric():
    words = set(re.findall(r"\w+", reference()))
    named = {*METRICS, *(name for names in KERAS_METRICS.values() for name in names)}
    assert named <= words


def test_the_json_schema_has_the_sections_and_their_descriptions():
    schema = json.loads(json_schema())
    assert set(schema["properties"]) >= {"name", "data", "model", "train", "register", "tracking"}
    assert schema["additionalProperties"] is False
    assert schema["$defs"]["TrainConfig"]["properties"]["epochs"]["description"] == "Passes over the training split."


def test_the_list_of_files_is_current():
    spec = importlib.util.spec_from_file_location("files", ROOT / "docs/files.py")
    files = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(files)
    assert (ROOT / "docs/files.md").read_text(encoding="utf-8") == files.purposes(), "run `make docs`"
