"""Averages of the weights: the recurrence, what is validated, what is kept."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from pipeline.batches import Batches, read_prepared
from pipeline.journal import read_journal
from pipeline.recipe.train import OptimizerConfig
from pipeline.serving.compose import load_model
from pipeline.serving.outputs import predictor
from pipeline.training.averaging import StochasticWeightAverage, ValidateMovingAverage, reestimate_batch_norm
from pipeline.training.optimizers import optimizer, update_arguments
from tests.small_runs import Stages, model, train_section, train_small

PLAIN = model(type="mlp", units=[16])
WITH_BATCH_NORM = model(type="mlp", units=[16], batch_norm=True)


class Weights(keras.callbacks.Callback):
    """Copies the weights after each batch, at the end of each epoch and when validation has ended."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[np.ndarray] = []
        self.epochs: list[np.ndarray] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.batches.append(self.model.get_weights()[0])

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.epochs.append(self.model.get_weights()[0])


def line(**section: Any) -> keras.Model:
    """A network with one weight, which each step changes by a fixed amount."""
    network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")])
    arguments = update_arguments(train_section(**section))
    built = optimizer(OptimizerConfig(type="sgd"), learning_rate=1.0, policy="float32", **arguments)
    network.compile(built, loss=lambda y_true, y_pred: -y_pred)
    return network


def fitted(network: keras.Model, *callbacks: keras.callbacks.Callback, epochs: int, steps: int) -> list[float]:
    """Fits on inputs 1, so that the weight is the number of updates; returns the weight at the end."""
    data = np.ones((steps, 1), np.float32)
    network.fit(
        x=data,
        y=data,
        batch_size=1,
        epochs=epochs,
        shuffle=False,
        validation_data=(data, data),
        callbacks=callbacks,
        verbose=0,
    )
    return network.get_weights()[0].ravel().tolist()


def moving_average(weights: list[float], momentum: float) -> float:
    average = weights[0]
    for weight in weights[1:]:
        average = momentum * average + (1 - momentum) * weight
    return average


def test_ema_follows_its_recurrence_and_training_goes_on_from_the_weights() -> None:
    seen = Weights()
    end = fitted(line(averaging={"type": "ema", "momentum": 0.8}), ValidateMovingAverage(), seen, epochs=3, steps=4)
    assert np.ravel(seen.batches).tolist() == list(range(1, 13))
    assert np.ravel(seen.epochs) == pytest.approx([moving_average(list(range(1, n + 1)), 0.8) for n in (4, 8, 12)])
    assert end == pytest.approx([moving_average(list(range(1, 13)), 0.8)])


def test_ema_moves_once_an_update_when_gradients_are_accumulated() -> None:
    section = {"averaging": {"type": "ema", "momentum": 0.8}, "accumulate_steps": 3}
    # Updates come with batches 3, 6 and 9; the average moves towards each over three batches.
    end = fitted(line(**section), ValidateMovingAverage(), epochs=1, steps=11)
    assert end == pytest.approx([moving_average([1, 2, 3], 0.8)])


def test_swa_is_the_mean_of_the_weights_at_the_ends_of_the_last_epochs() -> None:
    seen = Weights()
    end = fitted(line(), StochasticWeightAverage(first_epoch=2), seen, epochs=5, steps=4)
    assert np.ravel(seen.epochs).tolist() == [4, 8, 12, 16, 20]
    assert end == pytest.approx([16])


def test_batch_norm_statistics_are_those_of_the_data_under_the_new_weights() -> None:
    values = np.random.Generator(np.random.PCG64(0)).normal(3, 2, (300, 4)).astype(np.float32)
    inputs = keras.Input((4,), name="numbers")
    inner = keras.Sequential([keras.Input((4,)), keras.layers.BatchNormalization(momentum=0.9)])
    network = keras.Model({"numbers": inputs}, inner(inputs))
    training = Batches({"numbers": values}, np.zeros(300), batch_size=100, seed=1)
    reestimate_batch_norm(network, training, first_step=0)
    layer = inner.layers[0]
    np.testing.assert_allclose(layer.moving_mean, values.mean(axis=0), rtol=1e-5)
    thirds = [values[training.indices(0, step)].var(axis=0) for step in range(3)]
    np.testing.assert_allclose(layer.moving_variance, np.mean(thirds, axis=0), rtol=1e-5)
    assert layer.momentum == 0.9


def validation_loss(folder: Path, prepared: Path) -> float:
    """Of the network that was kept."""
    arrays, labels = read_prepared(prepared / "validation")
    probabilities = predictor(load_model(folder / "network.keras"))(arrays)
    return float(-np.log(probabilities[np.arange(len(labels)), labels]).mean())


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_the_moving_average_of_the_best_epoch_is_validated_and_kept(
    digits: Stages, tmp_path: Path, precision: str
) -> None:
    section = train_section(
        epochs=12,
        optimizer={"learning_rate": 0.1},
        averaging={"type": "ema", "momentum": 0.9},
        early_stopping={"patience": 2},
        precision=precision,
    )
    folder = train_small(digits.prepared, tmp_path / "trained", WITH_BATCH_NORM, section)
    history = json.loads((folder / "history.json").read_text())
    losses = [epoch["val_loss"] for epoch in history["epochs"]]
    assert history["best_epoch"] == int(np.argmin(losses)) < len(losses) - 1, "the test needs a run that stops early"
    assert validation_loss(folder, digits.prepared) == pytest.approx(
        min(losses), rel=1e-2 if "16" in precision else 1e-5
    )


def test_the_stochastic_average_is_validated_and_kept(digits: Stages, tmp_path: Path) -> None:
    section = train_section(epochs=4, optimizer={"learning_rate": 0.05}, averaging={"type": "swa", "start": 0.5})
    first, second = [
        train_small(digits.prepared, tmp_path / name, WITH_BATCH_NORM, section) for name in ("first", "second")
    ]
    history = json.loads((first / "history.json").read_text())
    assert validation_loss(first, digits.prepared) == pytest.approx(history["averaged"]["val_loss"], rel=1e-5)
    assert history["averaged"]["val_loss"] != history["epochs"][-1]["val_loss"]
    *_, last = [record for record in read_journal(first / "journal.jsonl") if record["kind"] == "metrics"]
    assert last["values"]["best/val_loss"] == history["averaged"]["val_loss"]
    assert (first / "fingerprint").read_text() == (second / "fingerprint").read_text()


def test_swa_trains_at_a_rate_of_its_own_from_the_start_of_averaging(digits: Stages, tmp_path: Path) -> None:
    averaging = {"type": "swa", "start": 0.5, "learning_rate": 0.02}
    section = train_section(epochs=4, schedule={"type": "cosine"}, averaging=averaging, optimizer={"type": "sgd"})
    folder = train_small(digits.prepared, tmp_path / "trained", PLAIN, section)
    rates = [epoch["learning_rate"] for epoch in json.loads((folder / "history.json").read_text())["epochs"]]
    # That of the next step, so that the second epoch ends with the first rate of the third.
    assert rates == pytest.approx([1e-3 * (1 + np.cos(np.pi / 4)) / 2, 0.02, 0.02, 0.02])


def test_averaging_leaves_the_training_itself_alone(digits: Stages, tmp_path: Path) -> None:
    plain, averaged = [
        train_small(digits.prepared, tmp_path / str(i), PLAIN, train_section(epochs=2, averaging=averaging))
        for i, averaging in enumerate([None, {"type": "ema", "momentum": 0.9}])
    ]
    lines = [json.loads((folder / "history.json").read_text())["epochs"] for folder in (plain, averaged)]
    assert [line["loss"] for line in lines[0]] == [line["loss"] for line in lines[1]]
    assert [line["val_loss"] for line in lines[0]] != [line["val_loss"] for line in lines[1]]
