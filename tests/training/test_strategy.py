"""Training on several devices of one machine: the curve of one device, and what is refused."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.recipe.checks import check
from pipeline.recipe.load import load_recipe
from pipeline.recipe.tree import Recipe
from pipeline.rehearsal import estimate_recipe
from pipeline.training.strategy import scope
from tests.small_runs import Stages

TOLERANCE = 1e-5
"""Relative difference of the losses of two epochs: sums over a batch are taken in another order."""

ON_TWO_DEVICES = """
import sys
from pathlib import Path
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from tests.compute.test_estimate import assembled
from tests.small_runs import model, train_section, train_small
prepared, out = map(Path, sys.argv[1:])
for strategy, devices in (("none", 1), ("mirrored", 2)):
    variable = assembled(prepared, strategy=strategy).network.trainable_variables[0]
    assert len(getattr(variable.value, "values", [variable])) == devices
cnn = {"type": "cnn", "filters": [8], "units": 16, "normalization": "layer", "l2": 1e-3}
# Another network in between, as gradients of other shapes must not be taken for those of the first.
for name, network in (("none", cnn), ("mirrored", cnn), ("mlp", {"type": "mlp", "units": [16]}), ("again", cnn)):
    strategy = "none" if name == "none" else "mirrored"
    section = train_section(epochs=2, strategy=strategy, early_stopping={"monitor": "val_loss"})
    train_small(prepared, out / name, model(**network), section, batch_size=32)
"""


@pytest.mark.slow
def test_two_devices_give_the_curve_of_one_and_the_same_weights_again(digits: Stages, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", ON_TWO_DEVICES, str(digits.prepared), str(tmp_path)], check=True, timeout=300)
    one, two = (json.loads((tmp_path / name / "history.json").read_text())["epochs"] for name in ("none", "mirrored"))
    assert len(one) == len(two) == 2
    for name in ("loss", "val_loss", "accuracy"):
        curves = [[epoch[name] for epoch in epochs] for epochs in (one, two)]
        np.testing.assert_allclose(*curves, rtol=TOLERANCE)
    assert (tmp_path / "mirrored" / "fingerprint").read_text() == (tmp_path / "again" / "fingerprint").read_text()


def test_one_device_cannot_be_mirrored() -> None:
    with pytest.raises(UserError, match=r"train\.strategy: expected two or more devices.*use none"):
        scope("mirrored")


@pytest.mark.parametrize(
    "key",
    [
        "train.sam={}",
        "model={type: transfer, source: base.keras}",
        "train.averaging={type: ema}",
        "train.class_weights=balanced",
        "train.accumulate_steps=2",
        "train.schedule={type: one_cycle, momentum: [0.85, 0.95]}",
    ],
)
def test_what_is_not_tried_on_several_devices_is_refused(key: str) -> None:
    tree = load_recipe("digits", [key]).model_dump(by_alias=True)
    recipe = Recipe.model_validate({**tree, "train": {**tree["train"], "strategy": "mirrored"}})
    assert [problem.key for problem in check(recipe)] == ["train.strategy"]


def test_costs_are_estimated_of_one_device(tmp_path: Path) -> None:
    overrides = ["train.strategy=mirrored", f"tracking.directory={tmp_path}"]
    with pytest.raises(UserError, match=r"train\.strategy: expected none"):
        estimate_recipe(load_recipe("digits", [*overrides, f"tracking.uri=sqlite:///{tmp_path}/mlflow.db"]))
