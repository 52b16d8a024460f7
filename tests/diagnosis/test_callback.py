"""The public callback on real models: what it sees, and that it changes nothing."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline.diagnosis import Diagnosis
from pipeline.diagnosis.signals import Column
from pipeline.errors import UserError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(128, 4)).astype("float32")
Y = (X[:, 0] + X[:, 1] > 0).astype("float32")


def network(*, activation: str = "relu", kernel: str = "he_normal", loss: str = "binary_crossentropy") -> keras.Model:
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(8, kernel_initializer=kernel, name="one"),
            keras.layers.Activation(activation),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(8, activation=activation, kernel_initializer=kernel, name="two"),
            keras.layers.Dense(1, activation="sigmoid", name="answer"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.01), loss=loss, metrics=["accuracy"])
    return model


def fit(model: keras.Model, *callbacks: keras.callbacks.Callback, epochs: int = 4) -> None:
    model.fit(X, Y, epochs=epochs, batch_size=32, verbose=0, shuffle=False, callbacks=list(callbacks))


def test_a_training_with_the_callback_ends_with_the_same_weights() -> None:
    watched, alone = network(), network()
    fit(watched, Diagnosis(X, Y))
    fit(alone)
    for one, other in zip(watched.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_readings_are_what_numpy_gets_from_the_model() -> None:
    model, diagnosis = network(), Diagnosis(X, Y)
    fit(model, diagnosis)
    signals = diagnosis.signals
    assert [layer.name for layer in signals.facts.layers] == ["one", "two", "answer"]
    assert [layer.activations for layer in signals.facts.layers] == [("relu",), ("relu",), ("sigmoid",)]
    assert [reading.epoch for reading in signals.readings] == [0, 1, 4]
    hidden = np.maximum(keras.ops.convert_to_numpy(model.layers[0](X)), 0)
    row = signals.last.layers[0]
    assert row[Column.SIZE] == pytest.approx(np.sqrt((hidden**2).mean()), rel=1e-4)
    assert row[Column.SPREAD] == pytest.approx(np.sqrt(hidden.var(axis=0).mean()), rel=1e-4)
    assert row[Column.DEAD] == (hidden == 0).all(axis=0).mean()
    answers = model.predict(X, verbose=0)
    assert signals.last.score == pytest.approx(((answers[:, 0] > 0.5) == Y).mean(), abs=1e-6)
    assert signals.last.loss == pytest.approx(model.evaluate(X, Y, verbose=0)[0], rel=1e-4)


def test_facts_tell_what_chance_and_nearest_neighbours_get() -> None:
    diagnosis = Diagnosis(X, Y)
    fit(network(), diagnosis, epochs=1)
    facts = diagnosis.signals.facts
    share = max(Y.mean(), 1 - Y.mean())
    assert facts.chance == pytest.approx(share)
    assert facts.constant_loss == pytest.approx(-(share * np.log(share) + (1 - share) * np.log(1 - share)), rel=1e-3)
    assert 0.8 < facts.neighbours < 1


def test_the_learning_rate_of_a_schedule_is_its_peak() -> None:
    model = network()
    schedule = keras.optimizers.schedules.CosineDecay(0.0, 16, warmup_target=0.02, warmup_steps=4)
    model.compile(keras.optimizers.SGD(schedule, momentum=0.9, clipnorm=1.0), "binary_crossentropy")
    diagnosis = Diagnosis(X, Y)
    fit(model, diagnosis, epochs=1)
    facts = diagnosis.signals.facts
    assert (facts.optimizer, facts.momentum, facts.clipped) == ("SGD", 0.9, True)
    assert facts.learning_rate == pytest.approx(0.02, rel=0.2)


def test_a_healthy_training_gets_nothing_above_a_note() -> None:
    diagnosis = Diagnosis(X, Y)
    fit(network(), diagnosis, epochs=20)
    assert diagnosis.healthy, diagnosis.findings


def test_a_network_of_zeros_is_called_after_one_epoch_and_can_be_stopped() -> None:
    diagnosis = Diagnosis(X, Y, on_sick="stop")
    fit(network(kernel="zeros"), diagnosis, epochs=20)
    assert len(diagnosis.signals.epochs) <= 2
    finding = next(each for each in diagnosis.findings if each.symptom == "poor_initialization")
    assert (finding.severity, finding.layers[0], finding.first_epoch) == ("critical", "one", 0)
    assert "model.kernel_initializer=auto" in str(finding.remedies[0])


def test_a_network_whose_output_does_not_vary_is_looked_at_sooner() -> None:
    looked_at = []
    for kernel in ("zeros", "he_normal"):
        diagnosis = Diagnosis(X, Y)
        fit(network(kernel=kernel), diagnosis, epochs=20)
        looked_at.append([reading.epoch for reading in diagnosis.signals.readings])
    assert looked_at == [[0, 1, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20], [0, 1, 4, 16, 20]]


def test_a_network_that_is_sick_before_the_first_step_has_an_epoch_to_be_judged_by() -> None:
    model, diagnosis = network(), Diagnosis(X, Y, on_sick="stop")
    model.layers[0].kernel.assign(np.full((4, 8), np.nan))
    model.fit(X, Y, epochs=5, batch_size=32, verbose=0, callbacks=[diagnosis])
    assert model.history.epoch == [0]


def test_nested_shared_and_subclassed_layers_are_seen_by_their_names() -> None:
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4, activation="tanh", name="inside")], name="inner")

    class Custom(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.inner = inner
            self.shared = keras.layers.Dense(4, activation="relu", name="shared")
            self.answer = keras.layers.Dense(1, activation="sigmoid", name="answer")

        def call(self, x: object) -> object:
            return self.answer(self.shared(self.shared(self.inner(x))))

    model = Custom()
    model.compile("adam", "binary_crossentropy")
    diagnosis = Diagnosis(X, Y)
    fit(model, diagnosis, epochs=1)
    assert [layer.name for layer in diagnosis.signals.facts.layers] == ["inside", "shared", "answer"]
    assert model(X[:2]).shape == (2, 1)


def test_recurrent_and_several_outputs_get_what_can_be_seen() -> None:
    x = keras.Input((5, 2))
    state = keras.layers.LSTM(3, name="memory")(x)
    model = keras.Model(x, {"a": keras.layers.Dense(1, name="a")(state), "b": keras.layers.Dense(1, name="b")(state)})
    model.compile("sgd", {"a": "mse", "b": "mse"})
    rows = RNG.normal(size=(32, 5, 2)).astype("float32")
    labels = {"a": rows[:, 0, :1], "b": rows[:, 1, :1]}
    diagnosis = Diagnosis(rows, labels)
    model.fit(rows, labels, epochs=1, shuffle=False, verbose=0, callbacks=[diagnosis])
    assert {layer.name for layer in diagnosis.signals.facts.layers} == {"memory", "a", "b"}
    assert np.isfinite(diagnosis.signals.last.loss)
    assert (diagnosis.signals.last.layers[:, Column.GRADIENT] > 0).all()


def test_a_training_that_goes_on_is_held_to_its_first_epochs() -> None:
    model, diagnosis = network(), Diagnosis(X, Y)
    model.compile(keras.optimizers.SGD(1e-7), "binary_crossentropy", metrics=["accuracy"])
    model.fit(X, Y, initial_epoch=20, epochs=24, batch_size=32, verbose=0, callbacks=[diagnosis])
    assert "frozen_weights" in [finding.symptom for finding in diagnosis.findings]


def test_a_training_that_breaks_off_within_an_epoch_says_in_which() -> None:
    model, diagnosis = network(), Diagnosis(X, Y)
    watching = keras.callbacks.CallbackList([diagnosis], model=model, epochs=30, steps=4)
    watching.on_train_begin()
    watching.on_epoch_begin(20)
    diagnosis.break_off()
    assert [(each.symptom, each.first_epoch) for each in diagnosis.findings if each.symptom == "nan"] == [("nan", 21)]


@pytest.mark.slow
def test_overfitting_of_values_is_told_by_the_losses_of_the_epochs_that_have_a_validation() -> None:
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.layers.Dense(64, activation="relu"), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.03), "mse")
    noise = np.random.default_rng(3).normal(size=128).astype("float32")
    few, others = (X[:32], noise[:32]), (X[32:], noise[32:])
    diagnosis = Diagnosis(*others)
    model.fit(*few, epochs=60, validation_data=others, validation_freq=2, verbose=0, callbacks=[diagnosis])
    finding = next(each for each in diagnosis.findings if each.symptom == "overfitting")
    assert finding.message.startswith("The validation loss has risen by ")
    assert np.isfinite(list(finding.evidence.values())).all()


def batches() -> Iterator[Any]:
    yield X, Y


@pytest.mark.parametrize(
    ("x", "y", "problem"),
    [
        (tf.data.Dataset.from_tensor_slices((X, Y)).batch(32), None, "x_probe: expected an array"),
        (batches(), None, "x_probe: expected an array"),
        (X, None, "y_probe: expected an array"),
        (X.tolist(), Y, "x_probe: expected an array"),
        (X, Y[:100], "equally many examples.* x_probe has 128, y_probe has 100"),
        ({"a": X, "b": X[:9]}, Y, r"x_probe has 128, x_probe\[1\] has 9, y_probe has 128"),
        (X[:0], Y[:0], "one at least"),
    ],
)
def test_what_is_no_array_is_refused_where_it_is_given(x: Any, y: Any, problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        Diagnosis(x, y)
