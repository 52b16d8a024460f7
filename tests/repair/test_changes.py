"""Remedies as changes of recipes: what they supersede, what there is no place for, where a training goes back to."""

from typing import Any

from pipeline.diagnosis.remedies import CLIP, DEFAULT_ADAM, EARLY_STOPPING, RELU, TANH, smaller_from
from pipeline.recipe.load import load_recipe
from pipeline.recipe.tree import Recipe
from pipeline.repair.changes import changed, to_yaml


def recipe(model: dict[str, Any] | None = None, **train: Any) -> Recipe:
    tree = {
        "name": "cells",
        "data": {"type": "breast_cancer"},
        "model": {"type": "mlp", "units": [8, 4]} | (model or {}),
    }
    return load_recipe(tree | {"train": train})


def test_another_optimiser_does_not_inherit_the_arguments_of_the_one_before() -> None:
    sick = recipe(optimizer={"type": "sgd", "learning_rate": 10, "momentum": 0.9})
    mended, applied = changed(sick, DEFAULT_ADAM.overrides)
    assert mended.train.optimizer.model_dump() == {"type": "adam", "learning_rate": 0.001}
    assert applied == DEFAULT_ADAM.overrides


def test_initialisers_by_kind_of_layer_go_with_the_one_that_replaces_them() -> None:
    sick = recipe({"initializers": {"dense": "zeros"}, "activation": "selu", "dropout_type": "alpha", "dropout": 0.1})
    mended, _ = changed(sick, TANH.overrides)
    assert mended.flat()["model.initializers.dense"] == "auto"
    assert mended.flat()["model.dropout_type"] == "plain"


def test_what_a_recipe_has_no_place_for_is_left_out() -> None:
    table = recipe()
    mended, applied = changed(table, {**RELU.overrides, "model.filters": 32, **CLIP.overrides})
    assert applied == {"model.kernel_initializer": "he_normal", **CLIP.overrides}
    assert changed(table, {"model.filters": 32}) == (table, {})
    assert changed(mended, RELU.overrides)[1] == {}


def test_more_units_keep_the_number_of_layers() -> None:
    assert changed(recipe(), {"model.units": 32})[0].flat()["model.units"] == [32, 32]


def test_early_stopping_and_a_smaller_rate_from_an_epoch_on_are_recipes() -> None:
    stopping, _ = changed(recipe(), EARLY_STOPPING.overrides)
    assert stopping.flat()["train.early_stopping.patience"] == 10
    back, applied = changed(recipe(), smaller_from(7).overrides)
    assert (back.train.schedule.type, applied) == ("step", smaller_from(7).overrides)


def test_a_repaired_recipe_with_its_comments_is_a_recipe() -> None:
    import ruamel.yaml

    text = to_yaml(recipe(), ["repaired: model.activation=tanh", "Why: units died"])
    assert text.startswith("# repaired: model.activation=tanh\n# Why: units died\nname: cells\n")
    assert load_recipe(dict(ruamel.yaml.YAML(typ="safe").load(text))) == recipe()
