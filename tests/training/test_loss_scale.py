"""Loss scaling under mixed_float16: on where it is needed, recorded epoch by epoch, float32 where it must be."""

import json
from pathlib import Path

import keras
import pytest

from pipeline.journal import Journal
from pipeline.training.callbacks import EpochLog, LossScale
from tests.compute.test_estimate import assembled
from tests.small_runs import Stages, model, train_section, train_small


def test_scale_and_skipped_steps_are_recorded_with_each_epoch(digits: Stages, tmp_path: Path) -> None:
    training = assembled(digits.prepared, precision="mixed_float16")
    optimizer, steps = training.learner.optimizer, training.training.steps_per_epoch
    optimizer.build(training.network.trainable_variables)
    optimizer.dynamic_scale.assign(2.0**30)
    log = EpochLog(Journal(tmp_path / "journal.jsonl"), training.training.num_examples)
    dataset = training.training.dataset(num_steps=3 * steps)
    training.learner.fit(
        dataset, epochs=3, steps_per_epoch=steps, callbacks=[LossScale(), log], shuffle=False, verbose=0
    )
    skipped = [epoch["skipped_steps"] for epoch in log.epochs]
    assert 0 < skipped[0] <= steps
    assert sum(skipped) == 3 * steps - int(optimizer.iterations)
    for epoch in range(3):
        assert log.epochs[epoch]["loss_scale"] == 2.0 ** (30 - sum(skipped[: epoch + 1]))


@pytest.mark.parametrize(("precision", "is_scaled"), [("mixed_float16", True), ("mixed_bfloat16", False)])
def test_a_run_records_them_where_the_loss_is_scaled(
    digits: Stages, tmp_path: Path, precision: str, is_scaled: bool
) -> None:
    section = train_section(epochs=1, precision=precision)
    folder = train_small(digits.prepared, tmp_path / "trained", model(type="mlp", units=[16]), section)
    (epoch,) = json.loads((folder / "history.json").read_text())["epochs"]
    assert ({"loss_scale", "skipped_steps"} <= epoch.keys()) is is_scaled
    assert not is_scaled or (epoch["loss_scale"], epoch["skipped_steps"]) == (2.0**15, 0)


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_hidden_layers_are_in_16_bits_and_weights_and_outputs_are_not(digits: Stages, precision: str) -> None:
    network = assembled(digits.prepared, precision=precision).network
    dense, *_, output = [layer for layer in network.layers if isinstance(layer, keras.layers.Dense)]
    assert dense.compute_dtype == precision.removeprefix("mixed_")
    assert {variable.dtype for variable in network.trainable_variables} == {"float32"}
    assert network.output.dtype == "float32"
    assert output.compute_dtype == "float32" or network.layers[-1].compute_dtype == "float32"
