"""`plumbline plan` and `qualify` on a pretrained network: costs of the phase of the head; no mixed precision."""

import math

import pytest

from pipeline.compute.estimate import estimate
from pipeline.recipe.errors import RecipeError
from pipeline.recipe.load import load_recipe
from pipeline.rehearsal import qualify_recipe
from pipeline.training.assemble import assemble
from pipeline.training.setup import TrainingSetup
from tests.small_runs import Stages, model, train_section


def test_frozen_layers_cost_arithmetic_but_neither_gradients_nor_moments(digits: Stages) -> None:
    source = digits.trained / "network.keras"
    setup = TrainingSetup(
        section=train_section(epochs=3, fine_tuning={"epochs": 2}),
        model=model(type="transfer", source=str(source)),
        batch_size=32,
        seed=42,
        prepared=digits.prepared,
        pretrained=source,
    )
    assembled = assemble(setup)
    found = estimate(assembled, [digits.prepared])
    head = sum(math.prod(variable.shape) for variable in assembled.network.trainable_variables)
    assert found.cost.num_trainable == head < found.cost.num_parameters
    assert found.cost.gradient_bytes == 4 * head
    assert found.cost.optimizer_bytes >= 2 * 4 * head
    assert found.cost.flops > 2 * head
    assert found.training_step.median > 0


def test_a_pretrained_network_is_not_qualified_for_another_precision(digits: Stages, tmp_path) -> None:
    source = digits.trained / "network.keras"
    recipe = load_recipe("digits", [f"model={{type: transfer, source: {source}}}", f"tracking.directory={tmp_path}"])
    with pytest.raises(
        RecipeError, match=r"train.precision: a pretrained network computes in the precision it was saved"
    ):
        qualify_recipe(recipe, tmp_path / "qualify.png", policy=None, num_steps=20)
