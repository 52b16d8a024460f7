"""Repair: how a model is changed, in which order remedies are tried, and what the verdict says."""

from typing import Any

import keras
import numpy as np
import pytest

from pipeline.diagnosis import Diagnosis
from pipeline.diagnosis.change import Overrides, changed
from pipeline.diagnosis.findings import Finding, Severity
from pipeline.diagnosis.remedies import DEFAULT_ADAM, REINITIALIZE, RELU, TANH, Remedy
from pipeline.diagnosis.repair import Trial, repair
from pipeline.errors import UserError

X = np.random.default_rng(0).normal(3, 2, size=(64, 4)).astype("float32")
Y = (X[:, 0] * X[:, 1] > 9).astype("float32")


def network() -> keras.Model:
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(8, kernel_initializer="zeros"),
            keras.layers.Activation("sigmoid"),
            keras.layers.Dense(6, activation="sigmoid", kernel_initializer="zeros"),
            keras.layers.Dense(1, activation="relu", kernel_initializer="zeros"),
        ]
    )
    model.compile(keras.optimizers.SGD(0.5, momentum=0.9), "binary_crossentropy", metrics=["accuracy"])
    return model


def change(**overrides: Any) -> keras.Model:
    return changed(network(), {key.replace("__", "."): value for key, value in overrides.items()}, seed=1, features=X)


def activations(model: keras.Model) -> list[str]:
    return [layer.activation.__name__ for layer in model.layers if hasattr(layer, "activation")]


def test_activation_and_initialiser_change_in_hidden_layers_only() -> None:
    model = change(model__activation="tanh", model__kernel_initializer="glorot_uniform")
    assert activations(model) == ["linear", "tanh", "tanh", "relu"]
    assert all(np.ptp(layer.kernel.numpy()) > 0 for layer in model.layers if hasattr(layer, "kernel"))


def test_the_output_gets_what_the_loss_takes() -> None:
    assert activations(change(model__output_activation="auto")) == ["linear", "sigmoid", "sigmoid", "sigmoid"]


def test_optimiser_rate_and_clipping_change_alone_or_together() -> None:
    slower = change(train__optimizer__learning_rate=0.01).optimizer
    assert (type(slower).__name__, float(slower.learning_rate), slower.momentum) == ("SGD", pytest.approx(0.01), 0.9)
    other = changed(network(), DEFAULT_ADAM.overrides, seed=1, features=X).optimizer
    assert (type(other).__name__, float(other.learning_rate)) == ("Adam", pytest.approx(0.001))
    assert change(train__clip__global_norm=1.0).optimizer.global_clipnorm == 1.0


def test_input_is_standardised_and_batch_norm_and_dropout_are_put_in() -> None:
    model = change(preprocess__normalize="standard", model__normalization="batch", model__dropout=0.5, model__units=5)
    kinds = [type(layer).__name__ for layer in model._flatten_layers()]
    assert kinds.count("BatchNormalization") == kinds.count("Dropout") == 2
    inside = model.layers[1](X).numpy()
    np.testing.assert_allclose([inside.mean(), inside.std()], [0, 1], atol=1e-3)
    assert model(X).shape == (64, 1)
    assert {layer.units for layer in model._flatten_layers() if hasattr(layer, "units")} == {5, 1}


def test_another_seed_draws_other_weights_and_the_same_the_same() -> None:
    draws = [
        changed(network(), REINITIALIZE.overrides, seed=seed, features=X).layers[0].kernel.numpy() for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert (draws[0] != draws[2]).any()


def test_a_subclassed_model_is_refused() -> None:
    class Custom(keras.Model):
        pass

    with pytest.raises(UserError, match="expected a sequential or functional model"):
        changed(Custom(), {}, seed=1, features=X)


def finding(*remedies: Remedy, symptom: str = "dying_relu", severity: Severity = "critical") -> Finding:
    return Finding(symptom, severity, "It is sick.", remedies=remedies)


SICK = Trial([finding(REINITIALIZE, RELU)], 0.0, 100)


def trainer(helps: dict[str, float], tried: list[Overrides]) -> Any:
    """Pretends to train: overrides that are written as in `helps` reach that skill, and are healthy from 1 on."""

    def train(overrides: Overrides, number: int) -> Trial:
        tried.append(overrides)
        skill = helps.get(str(Remedy(overrides, "")), 0.0)
        return Trial([] if skill >= 1 else [finding(TANH)], skill, 10, overrides)

    return train


def test_a_healthy_training_is_left_alone() -> None:
    tried: list[Overrides] = []
    outcome = repair(Trial([finding(TANH, severity="note")], 0.9, 100), trainer({}, tried))
    assert (outcome.verdict, tried) == ("healthy", [])


def test_remedies_are_tried_in_their_order_beside_a_control_until_one_heals() -> None:
    tried: list[Overrides] = []
    outcome = repair(SICK, trainer({str(RELU): 1.0}, tried))
    assert tried == [{}, REINITIALIZE.overrides, RELU.overrides]
    assert (outcome.verdict, outcome.best.overrides, outcome.num_epochs) == ("repaired", RELU.overrides, 30)


def test_what_helps_is_kept_while_the_next_is_tried() -> None:
    both = Remedy({**REINITIALIZE.overrides, **TANH.overrides}, "")
    tried: list[Overrides] = []
    outcome = repair(SICK, trainer({str(REINITIALIZE): 0.5, str(both): 1.0}, tried))
    assert (outcome.verdict, tried[-1]) == ("repaired", both.overrides)


def test_the_verdict_says_luck_improved_or_not_repaired() -> None:
    assert repair(SICK, trainer({"": 1.0}, [])).verdict == "luck"
    assert repair(SICK, trainer({str(REINITIALIZE): 0.5}, [])).verdict == "improved"
    assert repair(SICK, trainer({}, [])).verdict == "not repaired"
    assert repair(SICK, trainer({"": 0.5, str(REINITIALIZE): 0.52}, [])).verdict == "not repaired"


def test_a_network_that_cannot_learn_is_repaired_in_earnest() -> None:
    rng = np.random.default_rng(1)
    labels = np.arange(256) % 2
    rows = (rng.normal(size=(256, 4)) + 2 * labels[:, None]).astype("float32")

    def train(overrides: Overrides, number: int) -> Trial:
        model = changed(network(), overrides, seed=number, features=rows)
        diagnosis = Diagnosis(rows, labels)
        keras.utils.set_random_seed(number)
        model.fit(rows, labels, epochs=15, verbose=0, callbacks=[diagnosis])
        return Trial(diagnosis.findings, diagnosis.signals.score, 15, overrides)

    outcome = repair(train({}, 0), train, max_trials=3)
    assert outcome.verdict == "repaired"
    assert outcome.control is not None
    assert not outcome.control.healthy
    assert outcome.best.skill > 0.9
