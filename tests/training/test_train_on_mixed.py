"""Training on mixed examples and on balanced classes: the loss is of soft labels, validation of hard ones."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from pipeline.batches import read_prepared
from pipeline.recipe.augment import AugmentConfig, AugmentSection
from pipeline.serving.compose import load_model
from pipeline.serving.outputs import predictor
from tests.small_runs import Stages, model, train_section, train_small

MLP = model(type="mlp", units=[16])


def section(*types: str) -> tuple[AugmentConfig, ...]:
    return TypeAdapter(AugmentSection).validate_python([{"type": each} for each in types])


def last_epoch(folder: Path) -> dict[str, float]:
    epochs = json.loads((folder / "history.json").read_text())["epochs"]
    return epochs[-1]  # type: ignore[no-any-return]


def validation_loss(prepared: Path, trained: Path) -> float:
    """Cross-entropy of the kept network with the classes themselves."""
    arrays, labels = read_prepared(prepared / "validation")
    outputs = predictor(load_model(trained / "network.keras"))(arrays)
    if outputs.shape[1] == 1:
        outputs = np.concatenate([1 - outputs, outputs], axis=1)
    return float(-np.log(outputs[np.arange(len(labels)), labels]).mean())


@pytest.mark.slow
@pytest.mark.parametrize("mixes", [("mixup",), ("cutmix",), ("rotate", "mixup", "cutmix")], ids="+".join)
def test_images_of_many_classes_are_mixed(digits: Stages, tmp_path: Path, mixes: tuple[str, ...]) -> None:
    training = train_section(epochs=4, optimizer={"learning_rate": 0.01})
    folder = train_small(digits.prepared, tmp_path / "trained", MLP, training, augment=section(*mixes))
    plain = train_small(digits.prepared, tmp_path / "plain", MLP, training)
    # Nobody can tell mixed examples apart as surely as plain ones.
    assert last_epoch(folder)["loss"] > 1.1 * last_epoch(plain)["loss"]
    assert last_epoch(folder)["val_loss"] == pytest.approx(validation_loss(digits.prepared, folder), rel=1e-4)
    assert last_epoch(folder)["val_accuracy"] > 0.5


@pytest.mark.slow
def test_rows_of_two_classes_are_mixed(cells: Stages, tmp_path: Path) -> None:
    training = train_section(epochs=6, optimizer={"learning_rate": 0.01})
    folder = train_small(cells.prepared, tmp_path / "trained", MLP, training, augment=section("mixup"))
    values = last_epoch(folder)
    assert values["val_loss"] == pytest.approx(validation_loss(cells.prepared, folder), rel=1e-4)
    # A label between 0 and 1 counts for its side, so that accuracy is not lost for being soft.
    assert values["accuracy"] > 0.8


def fingerprint(prepared: Path, out: Path, **changed: Any) -> str:
    training = train_section(epochs=2, optimizer={"learning_rate": 0.01})
    return (train_small(prepared, out, MLP, training, **changed) / "fingerprint").read_text()


@pytest.mark.slow
def test_a_mixed_training_is_repeated_to_the_bit(digits: Stages, tmp_path: Path) -> None:
    prints = [
        fingerprint(digits.prepared, tmp_path / name, augment=section("mixup"), seed=seed)
        for name, seed in (("first", 1), ("second", 1), ("other", 2))
    ]
    assert prints[0] == prints[1] != prints[2]


@pytest.mark.slow
def test_balanced_classes_train_another_network_repeatably(cells: Stages, tmp_path: Path) -> None:
    prints = [
        fingerprint(cells.prepared, tmp_path / name, sampling=sampling)
        for name, sampling in (("first", "balanced"), ("second", "balanced"), ("other", "natural"))
    ]
    assert prints[0] == prints[1] != prints[2]
