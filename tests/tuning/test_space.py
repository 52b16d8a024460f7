"""Spaces: points are recipes, conditions hold, what can never be valid is refused."""

import pytest

from pipeline.recipe.errors import RecipeError
from pipeline.recipe.load import dump_recipe, load_recipe
from tuning.space import Space, grid_values


def recipe(space, *overrides, base="digits"):
    return load_recipe(base, [f"tune={{space: {space}}}", *overrides])


def space(text, *overrides, base="digits"):
    return Space.of(recipe(text, *overrides, base=base))


FAMILIES = """{
  model.type: {type: choice, values: [cnn, mlp]},
  model.filters: {type: choice, values: [[16, 32], [32, 64]], when: {model.type: cnn}},
  model.units: {type: choice, values: [[32], [64]], when: {model.type: mlp}},
  model.dropout: {type: float, low: 0.0, high: 0.6, step: 0.3}}"""


def test_a_point_is_an_ordinary_recipe(tmp_path):
    of = space("{model.filters: {type: choice, values: [[4], [8, 16]]}, train.optimizer.momentum: {type: boolean}}")
    made = of.recipe({"model.filters": [8, 16], "train.optimizer.learning_rate": 1e-5}, name="a trial")
    assert (made.model.filters, made.train.optimizer.learning_rate) == ((8, 16), 1e-5)
    assert (made.name, made.tune) == ("a trial", None)
    (tmp_path / "trial.yaml").write_text(dump_recipe(made), encoding="utf-8")
    assert load_recipe(tmp_path / "trial.yaml") == made


@pytest.mark.parametrize(
    ("on_sick", "stop_sick", "of_a_trial"),
    [
        *(("warn", "true", "stop"), ("warn", "false", "warn"), ("repair", "true", "stop"), ("repair", "false", "warn")),
        *(("stop", "false", "stop"), ("ignore", "true", "ignore")),
    ],
)
def test_a_trial_is_stopped_as_the_recipe_says_and_never_repaired(on_sick, stop_sick, of_a_trial):
    of = space("{model.batch_norm: {type: boolean}}", f"tune.stop_sick={stop_sick}", f"train.on_sick={on_sick}")
    assert of.tree["train"]["on_sick"] == of_a_trial


def test_keras_tuner_values_come_back_as_they_were_written():
    of = space(FAMILIES)
    values = of.hyperparameters().values
    assert of.point(values) == {"model.type": "cnn", "model.filters": [16, 32], "model.dropout": 0.0}
    mixed = space("{train.clip.norm: {type: choice, values: [null, 1.0, 5]}, model.batch_norm: {type: boolean}}")
    assert mixed.point({"train.clip.norm": "null", "model.batch_norm": True}) == {
        "train.clip.norm": None,
        "model.batch_norm": True,
    }


def test_a_key_with_a_condition_is_there_where_it_holds():
    points = list(space(FAMILIES).points())
    assert len(points) == space(FAMILIES).size() == 12
    assert all(("model.filters" in point) == (point["model.type"] == "cnn") for point in points)
    assert all(("model.units" in point) == (point["model.type"] == "mlp") for point in points)


def test_a_condition_on_a_key_that_is_not_searched_is_decided_by_the_recipe():
    searched = "{model.filters: {type: choice, values: [[8], [16]], when: {model.type: cnn}}}"
    assert "model.filters" in space(searched).parameters
    given = space(searched, "model={type: mlp}")
    assert (given.parameters, given.left_out) == ({}, {"model.filters": "model.type is mlp"})


def test_another_type_keeps_what_was_chosen_and_exists_there():
    of = space("{model.type: {type: choice, values: [cnn, mlp]}}", "model.dropout=0.25", "model.l2=0.001")
    made = of.recipe({"model.type": "mlp"})
    assert (made.model.type, made.model.dropout, made.model.l2) == ("mlp", 0.25, 0.001)
    assert made.model.units == load_recipe("digits", ["model={type: mlp}"]).model.units


def test_another_optimizer_does_not_get_the_arguments_of_the_first():
    of = space("{train.optimizer.type: {type: choice, values: [adam, sgd]}}", "train.optimizer.beta_1=0.8")
    made = of.recipe({"train.optimizer.type": "sgd"})
    assert made.train.optimizer.model_extra == {}
    assert made.train.optimizer.learning_rate == 3e-3


@pytest.mark.parametrize(
    ("searched", "said"),
    [
        (
            "{model.dropout: {type: float, low: 0.0, high: 1.5}}",
            "model.dropout: expected a number in [0, 1)",
        ),
        ("{model.filters: {type: choice, values: [[8], 0.5]}}", "tune.space.model.filters: expected a list"),
        (
            "{train.epochs: {type: int, low: 0, high: 5}}",
            "train.epochs: expected a whole number of 1 or more",
        ),
        (
            "{model.type: {type: choice, values: [mlp, cnn]}, model.blocks: {type: boolean}}",
            "tune.space.model.blocks: unknown key of `type: mlp`",
        ),
    ],
)
def test_values_that_no_recipe_can_have_are_refused(searched, said):
    of = space(searched)
    with pytest.raises(RecipeError) as caught:
        of.refuse_impossible("digits.yaml")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "types",
    ["", "train.optimizer.type: {type: choice, values: [adam, nadam]},", "model.type: {type: choice, values: [cnn]},"],
)
def test_an_argument_that_no_searched_optimizer_has_is_refused_once(types):
    momentum = "train.optimizer.momentum: {type: float, low: 0.0, high: 0.9}"
    with pytest.raises(RecipeError, match="adam has no such argument") as caught:
        space(f"{{{types} {momentum}}}").refuse_impossible("digits.yaml")
    assert len(caught.value.problems) == 1


def test_an_argument_is_judged_where_it_is_searched():
    types = "train.optimizer.type: {type: choice, values: [adam, sgd]}"
    momentum = "train.optimizer.momentum: {type: float, low: 0.0, high: 0.9"
    for condition in ("", ", when: {train.optimizer.type: sgd}"):
        space(f"{{{types}, {momentum}{condition}}}}}").refuse_impossible("digits.yaml")
    with pytest.raises(RecipeError, match="adam has no such argument"):
        space(f"{{{types}, {momentum}, when: {{train.optimizer.type: adam}}}}}}").refuse_impossible("digits.yaml")
    late = "train.optimizer.type: {type: choice, values: [sgd], when: {model.batch_norm: true}}"
    when = "when: {model.batch_norm: true}"
    space(f"{{model.batch_norm: {{type: boolean}}, {late}, {momentum}, {when}}}}}").refuse_impossible("digits.yaml")


def test_values_that_are_possible_somewhere_are_not_refused():
    space(FAMILIES).refuse_impossible("digits.yaml")
    somewhere = "{model.type: {type: choice, values: [mlp, cnn]}, model.kernel_size: {type: int, low: 1, high: 5}}"
    space(somewhere).refuse_impossible("digits.yaml")


def test_an_invalid_point_says_why():
    with pytest.raises(RecipeError, match="sgd has no such argument"):
        space("{train.optimizer.type: {type: choice, values: [adam, sgd]}}").recipe(
            {"train.optimizer.type": "sgd", "train.optimizer.beta_1": 0.5}
        )


@pytest.mark.parametrize(
    ("parameter", "values"),
    [
        ("{type: int, low: 1, high: 4}", [1, 2, 3, 4]),
        ("{type: int, low: 8, high: 64, step: 2, log: true}", [8, 16, 32, 64]),
        ("{type: float, low: 0.0, high: 0.6, step: 0.2}", [0.0, 0.2, 0.4, 0.6]),
        ("{type: float, low: 0.0, high: 0.9}", [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]),
        ("{type: float, low: 1e-4, high: 1e-1, step: 10.0, log: true}", [1e-4, 1e-3, 1e-2, 1e-1]),
        ("{type: boolean}", [False, True]),
    ],
)
def test_values_of_a_grid(parameter, values):
    (declared,) = recipe(f"{{model.l2: {parameter}}}").tune.space.values()
    assert grid_values(declared) == values


@pytest.mark.parametrize(
    ("low", "high", "step", "values"),
    [
        (0.0, 0.6, 0.1, [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6]),
        (0.1, 0.4, 0.1, [0.1, 0.2, 0.3, 0.4]),
        (0.0, 0.5, 0.2, [0.0, 0.2, 0.4]),
    ],
)
def test_every_step_of_a_range_is_drawn_as_it_would_be_written(low, high, step, values):
    of = space(f"{{model.dropout: {{type: float, low: {low}, high: {high}, step: {step}}}}}")
    (declared,) = of.hyperparameters().space
    drawn = {of.point({"model.dropout": declared.prob_to_value(i / 1000)})["model.dropout"] for i in range(1000)}
    assert sorted(drawn) == values
    assert of.size() == len(values)


@pytest.mark.parametrize(("algorithm", "kept"), [("asha", True), ("hyperband", True), ("random", False)])
def test_what_may_be_promoted_keeps_its_state(algorithm, kept):
    searched = "{model.dropout: {type: float, low: 0.0, high: 0.6}}"
    of = space(searched, f"tune.algorithm={algorithm}", "train.checkpoint.keep=false")
    assert of.recipe({}).train.checkpoint.keep == kept
