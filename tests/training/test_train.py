"""Training: what it writes, what it repeats to the bit, what it refuses."""

import json
import re
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from pydantic import TypeAdapter

from models.keras_api import arguments
from pipeline.batches import read_prepared
from pipeline.errors import UserError
from pipeline.journal import read_journal
from pipeline.recipe.augment import AugmentSection
from pipeline.recipe.train import OptimizerConfig
from pipeline.serving.compose import load_model
from pipeline.serving.outputs import predictor
from pipeline.training.callbacks import NonFiniteLossError
from pipeline.training.checkpoint import Checkpoints, Place
from pipeline.training.optimizers import OPTIMIZERS, optimizer
from pipeline.training.precision import dtype_policy
from pipeline.training.saving import FOLDER
from tests.small_runs import Stages, model, train_section, train_small

MLP = model(type="mlp", units=[16], dropout=0.2, batch_norm=True)


def metrics_of(folder: Path) -> list[dict[str, Any]]:
    return [record for record in read_journal(folder / "journal.jsonl") if record["kind"] == "metrics"]


def weights_of(folder: Path) -> list[np.ndarray]:
    weights: list[np.ndarray] = load_model(folder / "network.keras").get_weights()
    return weights


def test_the_same_recipe_gives_bit_identical_weights_and_another_seed_does_not(digits: Stages, tmp_path: Path) -> None:
    section = train_section(epochs=2, schedule={"type": "cosine", "warmup_epochs": 1})
    augment = TypeAdapter(AugmentSection).validate_python([{"type": "flip"}])
    first, second, other = [
        train_small(digits.prepared, tmp_path / name, MLP, section, seed=seed, augment=augment)
        for name, seed in (("first", 1), ("second", 1), ("other", 2))
    ]
    fingerprints = [(folder / "fingerprint").read_text() for folder in (first, second, other)]
    assert fingerprints[0] == fingerprints[1] != fingerprints[2]
    for one, two, three in zip(*map(weights_of, (first, second, other)), strict=True):
        assert one.tobytes() == two.tobytes()
        assert one.tobytes() != three.tobytes()
    assert (first / "history.json").read_text() == (second / "history.json").read_text()


def test_each_epoch_is_recorded_once_by_its_keras_names(digits: Stages) -> None:
    epochs = [record for record in metrics_of(digits.trained) if "loss" in record["values"]]
    assert [record["step"] for record in epochs] == list(range(6))
    assert set(epochs[0]["values"]) == {"loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"}
    history = json.loads((digits.trained / "history.json").read_text())["epochs"]
    assert history[3] == {"epoch": 3, **epochs[3]["values"]}


def test_the_weights_of_the_best_epoch_are_kept(digits: Stages, tmp_path: Path) -> None:
    section = train_section(
        epochs=12, optimizer={"learning_rate": 0.05}, early_stopping={"monitor": "val_loss", "patience": 2}
    )
    folder = train_small(digits.prepared, tmp_path / "trained", MLP, section)
    history = json.loads((folder / "history.json").read_text())
    losses = [epoch["val_loss"] for epoch in history["epochs"]]
    assert history["best_epoch"] == int(np.argmin(losses)) < len(losses) - 1, (
        "the test needs a best epoch before the last"
    )
    arrays, labels = read_prepared(digits.prepared / "validation")
    probabilities = predictor(load_model(folder / "network.keras"))(arrays)
    loss = -np.log(probabilities[np.arange(len(labels)), labels]).mean()
    assert loss == pytest.approx(min(losses), rel=1e-5)
    last = metrics_of(folder)[-1]["values"]
    assert last["best/epoch"] == history["best_epoch"]
    assert last["best/val_loss"] == min(losses)


def test_the_saved_network_carries_no_optimizer(digits: Stages) -> None:
    network = keras.saving.load_model(digits.trained / "network.keras")
    assert not network.compiled


def test_pictures_and_summary_are_artifacts(digits: Stages) -> None:
    named = {
        record["path"] for record in read_journal(digits.trained / "journal.jsonl") if record["kind"] == "artifact"
    }
    files = ("curves.png", "model_summary.txt", "diagnosis.html", "diagnosis.json", "preflight.json")
    assert named == {f"artifacts/{name}" for name in files}
    assert "dropout" in (digits.trained / "artifacts" / "model_summary.txt").read_text().lower()


def test_the_diagnosis_sees_whether_batches_lie_ready(digits: Stages) -> None:
    watched = json.loads((digits.trained / "artifacts" / "diagnosis.json").read_text())["wait_share"]
    assert [share for share in watched if share is not None]


def test_the_learning_rate_of_each_epoch_follows_the_schedule(digits: Stages, tmp_path: Path) -> None:
    section = train_section(
        epochs=3, optimizer={"learning_rate": 0.5, "type": "sgd"}, schedule={"type": "exponential", "decay": 0.5}
    )
    folder = train_small(digits.prepared, tmp_path / "trained", MLP, section)
    rates = [record["values"]["learning_rate"] for record in metrics_of(folder) if "loss" in record["values"]]
    assert rates == pytest.approx([0.25, 0.125, 0.0625])
    # The schedule is drawn before the first epoch; a rate that stays, as in `digits` above, is not drawn.
    kinds = [record.get("path", record["kind"]) for record in read_journal(folder / "journal.jsonl")]
    assert kinds.index("artifacts/schedule.png") < kinds.index("metrics")


def test_a_plateau_lowers_the_learning_rate_by_its_factor(digits: Stages, tmp_path: Path) -> None:
    section = train_section(
        epochs=5,
        optimizer={"type": "sgd", "learning_rate": 0.5},
        reduce_on_plateau={"monitor": "val_loss", "patience": 2, "factor": 0.1, "min_delta": 100, "cooldown": 1},
    )
    folder = train_small(digits.prepared, tmp_path / "trained", MLP, section)
    rates = [record["values"]["learning_rate"] for record in metrics_of(folder) if "loss" in record["values"]]
    assert rates == pytest.approx([0.5, 0.5, 0.05, 0.05, 0.005])


def test_mixed_precision_trains_and_answers_in_float32(digits: Stages, tmp_path: Path) -> None:
    section = train_section(epochs=2, optimizer={"learning_rate": 0.01}, precision="mixed_float16")
    folder = train_small(digits.prepared, tmp_path / "trained", MLP, section)
    arrays, _ = read_prepared(digits.prepared / "validation")
    network = load_model(folder / "network.keras")
    assert {layer.compute_dtype for layer in network.layers} >= {"float16", "float32"}
    assert predictor(network)(arrays).dtype == np.float32
    losses = [epoch["loss"] for epoch in json.loads((folder / "history.json").read_text())["epochs"]]
    assert losses[1] < losses[0]


def test_a_metric_to_watch_that_the_task_lacks_is_refused_before_training(digits: Stages, tmp_path: Path) -> None:
    section = train_section(early_stopping={"monitor": "val_mae"})
    with pytest.raises(UserError, match=r"expected one of loss, accuracy, val_loss, val_accuracy .*'val_mae'"):
        train_small(digits.prepared, tmp_path / "trained", MLP, section)
    assert not (tmp_path / "trained" / "network.keras").exists()


def test_a_loss_that_the_task_lacks_is_refused(digits: Stages, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"train.loss: .*categorical_focal_crossentropy for a multiclass task"):
        train_small(digits.prepared, tmp_path / "trained", MLP, train_section(loss="mean_squared_error"))


def test_a_model_that_does_not_fit_the_data_is_a_user_error(digits: Stages, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="model"):
        train_small(digits.prepared, tmp_path / "trained", model(type="text"), train_section())


def test_a_loss_that_is_no_number_stops_the_run_and_names_epoch_step_and_remedy(digits: Stages, tmp_path: Path) -> None:
    section = train_section(optimizer={"type": "sgd", "learning_rate": 1e30}, checkpoint={"every_steps": 1})
    with pytest.raises(NonFiniteLossError, match=r"in epoch 0, step \d.*train\.optimizer\.learning_rate") as error:
        train_small(digits.prepared, tmp_path / "trained", model(type="mlp", units=[16]), section)
    step = int(re.findall(r"step (\d)", str(error.value))[0])
    saved = Checkpoints(tmp_path / "trained" / FOLDER).place()
    assert saved is not None
    assert saved <= Place(0, 0, step), "nothing of that step is saved"


def test_every_keras_optimizer_can_be_named_with_its_arguments() -> None:
    adam = optimizer(
        OptimizerConfig.model_validate({"type": "adam", "beta_1": 0.5}), learning_rate=0.1, policy="float32"
    )
    assert adam.beta_1 == 0.5
    assert {"sgd", "adamw", "rmsprop", "lion", "nadam"} <= set(OPTIMIZERS)


@pytest.mark.parametrize(("name", "cls"), [("Adam", "Adam"), ("adam_w", "AdamW"), ("RMSprop", "RMSprop")])
def test_an_optimizer_has_the_names_that_the_recipe_check_knows(name: str, cls: str) -> None:
    assert arguments("optimizers", name) is not None
    built = optimizer(OptimizerConfig(type=name), learning_rate=0.1, policy="float32")
    assert type(built).__name__ == cls


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"type": "adamm"}, "expected one of adadelta.*'adamm'"),
        ({"type": "sgd", "beta_1": 0.5}, "sgd refuses.*beta_1"),
        ({"type": "adam", "beta_1": "half"}, r"train.optimizer.beta_1: expected a number.*'half'"),
    ],
)
def test_an_optimizer_that_keras_refuses_is_a_user_error(section: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        optimizer(OptimizerConfig.model_validate(section), learning_rate=0.1, policy="float32")


def test_automatic_precision_is_float32_without_a_gpu_and_says_why() -> None:
    if not tf.config.list_physical_devices("GPU"):
        assert dtype_policy("auto") == ("float32", "no GPU, and a CPU gains nothing from 16 bits")
    assert dtype_policy("mixed_bfloat16") == ("mixed_bfloat16", "as the recipe says")
