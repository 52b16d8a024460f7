"""The `tune` section: a space over keys that recipes have."""

import pytest

from pipeline.recipe.errors import RecipeError
from pipeline.recipe.load import dump_recipe, load_recipe

SPACE = """{
  model.dropout: {type: float, low: 0.0, high: 0.6},
  train.optimizer.learning_rate: {type: float, low: 1e-4, high: 1e-1, log: true},
  model.filters: {type: choice, values: [[16, 32], [32, 64]], when: {model.type: cnn}}}"""


def test_the_documented_space_loads_and_is_shown(tmp_path):
    recipe = load_recipe(
        "digits", [f"tune={{algorithm: hyperband, objective: val_accuracy, trials: 40, space: {SPACE}}}"]
    )
    assert recipe.tune.space["model.filters"].values == ([16, 32], [32, 64])
    assert recipe.tune.space["train.optimizer.learning_rate"].low == 1e-4
    (tmp_path / "shown.yaml").write_text(dump_recipe(recipe), encoding="utf-8")
    assert load_recipe(tmp_path / "shown.yaml") == recipe
    assert load_recipe("digits").tune is None


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ("{model.droput: {type: boolean}}", "expected a dotted recipe key. Did you mean `model.dropout`?"),
        ("{tracking.uri: {type: boolean}}", "a search cannot change `tracking`"),
        ("{model.dropout: {type: float, low: 1.0, high: 0.5}}", "expected low below high. Received: 1.0 and 0.5"),
        ("{model.l2: {type: float, low: 0.0, high: 0.5, log: true}}", "expected low above 0 with log"),
        ("{model.l2: {type: flot, low: 0.0}}", "Received: 'flot'. Did you mean `float`?"),
        ("{model.l2: {type: boolean, when: {model.typ: cnn}}}", "Received: 'model.typ'. Did you mean `model.type`?"),
        (
            "{train.optimizer.type: {type: choice, values: [adam, sgd]}, "
            "train.optimizer.momentum: {type: float, low: 0.0, high: 0.9, when: {train.optimizer.type: SGD}}}",
            "expected values that train.optimizer.type has: 'adam', 'sgd'. Received: 'SGD'",
        ),
        ("{}", "tune.space: expected at least one key"),
        ("{seed: {type: int, low: 0, high: 9}}", "tune.space.seed: a search cannot change `seed`: what it finds would"),
        ("{augment.rotate.degrees: {type: int, low: 1, high: 9}}", "expected the place of a transform in `augment`"),
        ("{augment.99.degrees: {type: int, low: 1, high: 9}}", "such as augment.0.degrees. `augment` has"),
    ],
)
def test_a_space_that_cannot_be_searched_is_refused(space, said):
    with pytest.raises(RecipeError) as caught:
        load_recipe("digits", [f"tune={{space: {space}}}"])
    assert said in str(caught.value)


@pytest.mark.parametrize("algorithm", ["hyperband", "asha", "random"])
@pytest.mark.parametrize(
    ("overrides", "searched", "said"),
    [
        (["model={type: transfer, source: base.keras}", "train.fine_tuning={epochs: 2}"], "", "train.fine_tuning: "),
        (["train.budget=1m"], "", "train.budget: "),
        ([], "train.budget: {type: choice, values: [1m, 2m]},", "tune.space.train.budget: "),
        (["train.batch_size=auto"], "", "train.batch_size: "),
        ([], "train.batch_size: {type: choice, values: [auto, 32]},", "tune.space.train.batch_size: "),
        (["train.stop_after_epochs=3"], "", "train.stop_after_epochs: "),
        ([], "train.checkpoint.keep: {type: boolean},", "tune.space.train.checkpoint.keep: "),
    ],
)
def test_rungs_need_a_training_that_can_pause_and_go_on(algorithm, overrides, searched, said):
    space = f"{{{searched} train.optimizer.learning_rate: {{type: float, low: 0.1, high: 0.2}}}}"
    given = [*overrides, f"tune={{algorithm: {algorithm}, space: {space}}}"]
    if algorithm == "random":
        load_recipe("digits", given)
        return
    with pytest.raises(RecipeError) as caught:
        load_recipe("digits", given)
    assert said in str(caught.value)
    assert f"`{algorithm}`" in str(caught.value)
