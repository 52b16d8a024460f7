"""What a recipe takes of remedies: overrides that it loads with and that change it; else words."""

from typing import Any

import pytest

from pipeline.diagnosis.before import CHECKS
from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.remedies import (
    BATCH_NORM,
    DEFAULT_ADAM,
    REINITIALIZE,
    RIGHT_LOSS,
    RIGHT_OUTPUT,
    SPLIT_BY_CONTENT,
    STANDARDIZE,
    TANH,
    Remedy,
)
from pipeline.diagnosis.rules import RULES
from pipeline.recipe.checks import Known
from pipeline.recipe.load import load_recipe
from pipeline.recipe.tree import Recipe
from pipeline.repair.advice import USUAL, Advice
from pipeline.repair.changes import changed

CELLS = {"name": "cells", "data": {"type": "breast_cancer"}, "model": {"type": "mlp", "units": [8, 4]}}


def advice(remedies: tuple[Remedy, ...], kind: str = "table", **sections: Any) -> tuple[Recipe, list[str]]:
    """The recipe, and what it takes of remedies."""
    recipe = load_recipe(CELLS | sections)
    advise = Advice(recipe, Known(kind, "binary", has_categories=False))
    (finding,) = advise([Finding("underfitting", "warning", "It is sick.", remedies=remedies)])
    assert finding.remedies == remedies
    assert finding.advice is not None
    return recipe, [str(remedy) for remedy in finding.advice]


def test_a_number_in_place_of_a_list_is_written_as_the_recipe_takes_it() -> None:
    recipe, (units,) = advice((Remedy({"model.units": 64}, ""),))
    assert units == "model.units=[64,64]"
    tree = recipe.model_dump(by_alias=True, exclude_none=True, mode="json")
    assert load_recipe(tree, [units]).flat()["model.units"] == [64, 64]


def test_what_changes_nothing_is_left_out() -> None:
    assert advice((REINITIALIZE, RIGHT_OUTPUT, BATCH_NORM))[1] == ["model.normalization=batch"]


def test_what_makes_no_sense_beside_a_new_value_is_reset_first() -> None:
    sgd = {"type": "sgd", "learning_rate": 10, "momentum": 0.9}
    recipe, (adam,) = advice((DEFAULT_ADAM,), train={"optimizer": sgd})
    assert adam == "train.optimizer=null train.optimizer.type=adam train.optimizer.learning_rate=0.001"
    tree = recipe.model_dump(by_alias=True, exclude_none=True, mode="json")
    assert load_recipe(tree, adam.split()) == changed(recipe, DEFAULT_ADAM.overrides)[0]


def test_a_number_of_epochs_takes_the_place_of_a_time() -> None:
    assert advice((Remedy({"train.epochs": 30}, ""),), train={"budget": "10m"})[1] == [
        "train.budget=null train.epochs=30"
    ]


def test_where_no_key_is_left_the_advice_is_in_words() -> None:
    (finding,) = Advice(load_recipe("docstrings"), Known("text", "multiclass"))(
        [Finding("abnormal_input", "warning", "It is large.", remedies=(STANDARDIZE,))]
    )
    assert finding.shown_remedies == (Remedy({}, STANDARDIZE.why),)
    assert finding.shown_remedies[0].call == f"No recipe key: {STANDARDIZE.why}"


def test_a_recipe_that_has_every_remedy_is_told_so() -> None:
    (finding,) = Advice(load_recipe("digits"), Known("image", "multiclass"))(
        [Finding("wrong_labels", "warning", "They are wrong.", remedies=(RIGHT_LOSS, SPLIT_BY_CONTENT))]
    )
    assert finding.shown_remedies == (USUAL,)


def test_what_only_the_data_tell_is_asked_of_them() -> None:
    model = {"type": "mlp", "units": [8], "output_activation": "sigmoid"}
    recipe = load_recipe({"name": "rows", "data": {"type": "csv", "path": "rows.csv", "label": "y"}, "model": model})
    multiclass = Advice(recipe, Known("table", "multiclass", has_categories=False))
    (finding,) = multiclass([Finding("dying_relu", "warning", "Units died.", remedies=(TANH, RIGHT_OUTPUT))])
    assert [str(remedy) for remedy in finding.shown_remedies] == ["model.output_activation=auto"]


@pytest.mark.parametrize("source", [*RULES, *CHECKS], ids=lambda source: source.symptom)
def test_every_finding_has_a_remedy(source: Any) -> None:
    assert source.remedies
