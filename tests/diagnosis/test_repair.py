"""Repair: how a model is changed, in which order remedies are tried, and what the verdict says."""

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest

from pipeline.diagnosis import Diagnosis
from pipeline.diagnosis.candidates import BODIES, candidates, named
from pipeline.diagnosis.change import Overrides, changed
from pipeline.diagnosis.findings import Finding, Severity
from pipeline.diagnosis.remedies import (
    BATCH_NORM,
    CLIP,
    CONNECT,
    DEFAULT_ADAM,
    DROPOUT,
    EARLY_STOPPING,
    REINITIALIZE,
    RELU,
    RIGHT_OUTPUT,
    SELU,
    STANDARDIZE,
    TANH,
    Remedy,
    fitted,
)
from pipeline.diagnosis.repair import MAX_TRIALS, Trial, merged, repair
from pipeline.diagnosis.signals import Facts, LayerFacts
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


ADAM = Remedy({**DEFAULT_ADAM.overrides, "train.optimizer.learning_rate": 0.004}, "")
SICK = Trial([finding(REINITIALIZE, RELU), finding(TANH, ADAM, symptom="not_converging")], 0.0, 100)


def both(*parts: Remedy) -> dict[str, Any]:
    return merged(parts)


def trainer(helps: list[tuple[dict[str, Any], float]], tried: list[Overrides]) -> Any:
    """Pretends to train: overrides of `helps` reach that skill, and are healthy from 1 on."""

    def train(overrides: Overrides, number: int) -> Trial:
        tried.append(overrides)
        skill = next((skill for each, skill in helps if each == overrides), 0.0)
        return Trial([] if skill >= 1 else [finding(TANH)], skill, 10, overrides)

    return train


def test_a_healthy_training_is_left_alone() -> None:
    tried: list[Overrides] = []
    outcome = repair(Trial([finding(TANH, severity="note")], 0.9, 100), trainer([], tried))
    assert (outcome.verdict, tried) == ("healthy", [])


def test_wholes_are_tried_beside_a_control_until_one_heals_then_the_part_that_the_finding_names() -> None:
    tried: list[Overrides] = []
    outcome = repair(SICK, trainer([(both(REINITIALIZE, ADAM), 1.0)], tried))
    assert tried == [{}, both(TANH, ADAM), both(REINITIALIZE, ADAM), REINITIALIZE.overrides]
    assert (outcome.verdict, outcome.best.overrides) == ("repaired", both(REINITIALIZE, ADAM))
    assert (outcome.healed_at, outcome.num_epochs) == (2, 40)


def test_where_no_whole_is_enough_what_the_best_lacks_still_is_tried_on_top_of_it() -> None:
    left = finding(DROPOUT, symptom="overfitting", severity="warning")
    tried: list[Overrides] = []
    pretend = trainer([(both(TANH, ADAM), 0.5), (both(TANH, ADAM, DROPOUT), 1.0)], tried)

    def train(overrides: Overrides, number: int) -> Trial:
        trial: Trial = pretend(overrides, number)
        return replace(trial, findings=[left]) if trial.skill == 0.5 else trial

    outcome = repair(SICK, train)
    assert (outcome.verdict, outcome.healed_at) == ("repaired", 5)
    assert outcome.best.overrides == both(TANH, ADAM, DROPOUT)


def test_what_the_findings_name_comes_last_as_long_as_there_are_trials() -> None:
    tried: list[Overrides] = []
    sick = replace(SICK, findings=[finding(CLIP, BATCH_NORM, symptom="nan"), finding(SELU, DROPOUT)])
    outcome = repair(sick, trainer([(both(BATCH_NORM), 1.0)], tried))
    wholes = [both(body, DEFAULT_ADAM) for body in BODIES] + [both(TANH, DEFAULT_ADAM, STANDARDIZE)]
    assert tried == [{}, *wholes, CLIP.overrides, BATCH_NORM.overrides]
    assert (outcome.verdict, outcome.healed_at) == ("repaired", 6)
    assert len(repair(sick, trainer([], [])).trials) == MAX_TRIALS
    assert [merged(parts) for parts in named([finding(CONNECT), finding(TANH, severity="note")])] == []


def test_a_part_that_heals_as_well_is_the_repair() -> None:
    helps = [(both(TANH, ADAM), 1.0), (both(TANH), 1.0)]
    outcome = repair(replace(SICK, findings=[finding(TANH, ADAM)]), trainer(helps, []))
    assert (outcome.verdict, outcome.best.overrides, outcome.healed_at) == ("repaired", TANH.overrides, 1)


def test_a_part_that_heals_but_does_less_well_is_not() -> None:
    helps = [(both(TANH, ADAM), 1.04), (both(TANH), 1.02)]
    outcome = repair(replace(SICK, findings=[finding(TANH, ADAM)]), trainer(helps, []))
    assert (outcome.verdict, outcome.best.overrides) == ("repaired", both(TANH, ADAM))


def test_what_a_finding_names_for_sure_is_part_of_every_change() -> None:
    sick = [finding(RIGHT_OUTPUT, symptom="improper_activation"), *SICK.findings]
    changes = [merged(parts) for parts in candidates(sick)]
    assert all(change["model.output_activation"] == "auto" for change in changes)
    assert [change.get("preprocess.normalize") for change in changes] == [None, None, None, "standard", "standard"]


def test_overfitting_leaves_activations_and_optimiser_alone() -> None:
    sick = [finding(EARLY_STOPPING, DROPOUT, symptom="overfitting", severity="warning")]
    assert list(candidates(sick)) == [(EARLY_STOPPING,), (DROPOUT,)]


def test_a_training_that_was_healthy_first_goes_on_from_there_with_smaller_steps() -> None:
    first = next(candidates([finding(TANH, symptom="nan")], healthy_epochs=7))
    assert merged(first)["train.schedule.every_epochs"] == 7
    assert "model.activation" in merged(next(candidates([finding(TANH, symptom="dead_layer")], healthy_epochs=7)))


def test_a_change_that_there_is_no_place_for_counts_as_no_trial() -> None:
    refused = Trial((), float("-inf"), 0, refused=True)
    outcome = repair(SICK, lambda overrides, _: refused if overrides else SICK, max_trials=2)
    assert (outcome.verdict, outcome.trials) == ("not repaired", ())


def test_where_only_other_random_numbers_help_they_are_the_best_and_no_repair() -> None:
    outcome = repair(SICK, trainer([({}, 1.0)], []))
    assert outcome.verdict == "improved"
    assert outcome.best is outcome.control


def test_the_verdict_says_improved_or_not_repaired() -> None:
    assert repair(SICK, trainer([(both(TANH, ADAM), 0.5)], [])).verdict == "improved"
    assert repair(SICK, trainer([], [])).verdict == "not repaired"
    assert repair(SICK, trainer([({}, 0.5), (both(TANH, ADAM), 0.52)], [])).verdict == "not repaired"
    outcome = repair(SICK, trainer([({}, 1.0), (both(TANH, ADAM), 1.0)], []))
    assert (outcome.verdict, outcome.best.overrides) == ("improved", both(TANH, ADAM))


def test_adam_is_fitted_to_the_steps_of_the_plan() -> None:
    def rate(**facts: Any) -> Any:
        return fitted(DEFAULT_ADAM, Facts(**facts)).overrides["train.optimizer.learning_rate"]

    assert rate(planned_epochs=100, steps_per_epoch=20) == 0.005
    assert rate(planned_epochs=5, steps_per_epoch=20) == 0.01
    assert rate(planned_epochs=1000, steps_per_epoch=1000) == 0.001
    wide = (LayerFacts("wide", "Dense", width=400), LayerFacts("output", "Dense", width=10))
    assert rate(planned_epochs=5, steps_per_epoch=20, layers=wide) == 0.005
    assert fitted(TANH, Facts(5)) is TANH


@pytest.mark.slow
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
