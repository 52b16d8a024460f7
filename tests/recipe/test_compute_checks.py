"""Keys of time, memory and speed: what they take, and which combinations are refused."""

import pytest

from pipeline.recipe.duration import duration_secs
from pipeline.recipe.errors import RecipeError
from pipeline.recipe.load import dump_recipe, load_recipe

BARE = {"name": "bare", "data": {"type": "digits"}, "model": {"type": "mlp"}}


@pytest.mark.parametrize(
    ("text", "secs"), [("90s", 90), ("20m", 1200), ("1h30m", 5400), ("1.5h", 5400), ("2h10s", 7210)]
)
def test_a_time_is_hours_minutes_and_seconds(text: str, secs: float) -> None:
    assert duration_secs(text) == secs


@pytest.mark.parametrize("text", ["", "20", "m", "20min", "10s5m", "0s", "-5m", "1:30"])
def test_what_is_no_time_is_none(text: str) -> None:
    assert duration_secs(text) is None


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ("{budget: 20}", "train.budget: expected a text or null. Received: 20"),
        ("{budget: soon}", "train.budget: expected a time such as 90s, 20m or 1h30m. Received: 'soon'"),
        ("{batch_size: 24}", "train.batch_size: expected a divisor of data.batch_size (64). Received: 24"),
        ("{batch_size: largest}", "train.batch_size: expected `auto` or a whole number of 1 or more or null"),
        ("{steps_per_execution: 0}", "train.steps_per_execution: expected `auto` or a whole number of 1 or more"),
        ("{jit_compile: maybe}", "train.jit_compile: expected `auto` or true or false. Received: 'maybe'"),
        ("{jit_compile: true}", "train.jit_compile: needs `train.deterministic: false`"),
        ("{strategy: mirrored, steps_per_execution: 4}", "Keras cannot run several steps at once on several devices"),
        ("{strategy: mirrored, steps_per_execution: auto}", "train.steps_per_execution: expected 1"),
        ("{strategy: mirrored, jit_compile: true}", "XLA cannot compile a step of several devices. Received: true"),
        ("{strategy: mirrored, batch_size: auto}", "train.batch_size: is not tried with `train.strategy: mirrored`"),
        ("{strategy: mirrored, budget: 5m}", "train.budget: is not tried with `train.strategy: mirrored`"),
    ],
)
def test_a_contradiction_is_refused_with_its_reason(overrides: str, said: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(BARE, [f"train={overrides}"])
    assert said in str(caught.value)


@pytest.mark.parametrize("key", ["batch_size: auto", "budget: 5m", "threads: auto", "jit_compile: auto"])
def test_phases_of_transfer_learning_are_not_measured_as_one(key: str) -> None:
    transfer = {**BARE, "model": {"type": "transfer", "source": "base.keras"}}
    with pytest.raises(RecipeError, match=f"train.{key.split(':')[0]}: .*`model.type: transfer` has several"):
        load_recipe(transfer, [f"train={{{key}}}"])


@pytest.mark.parametrize(
    "train",
    [
        "{steps_per_execution: auto, jit_compile: auto, threads: auto, batch_size: auto, budget: 20m}",
        "{steps_per_execution: 4, jit_compile: true, deterministic: false, threads: 2, batch_size: 16}",
        # How many epochs fit, and whether the warm-up is shorter, is known once steps are measured.
        "{budget: 20m, schedule: {type: cosine, warmup_epochs: 30}}",
    ],
)
def test_a_recipe_loads_and_is_the_same_when_shown(train: str, tmp_path) -> None:
    recipe = load_recipe(BARE, [f"train={train}"])
    path = tmp_path / "shown.yaml"
    path.write_text(dump_recipe(recipe), encoding="utf-8")
    assert load_recipe(path) == recipe
