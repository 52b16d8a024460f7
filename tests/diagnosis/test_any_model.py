"""Whatever a Keras user fits: the callback and the pre-flight go along, and call nothing sick without need."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline.diagnosis import Diagnosis, preflight
from pipeline.errors import UserError

layers = keras.layers
RNG = np.random.default_rng(0)
X = RNG.normal(size=(192, 4)).astype("float32")
Y = (X[:, 0] + X[:, 1] > 0).astype("int64")

Fitted = tuple[keras.Model, Any, Any]
"""A compiled model, examples and labels."""


class Functions(keras.Model):  # type: ignore[misc]
    """Written as one writes it in PyTorch: activations are functions, no layers."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.answer = layers.Dense(16), layers.Dense(2)

    def call(self, x: Any) -> Any:
        return tf.nn.softmax(self.answer(tf.nn.relu(self.hidden(x))))


class OwnStep(keras.Model):  # type: ignore[misc]
    """A training step that reports other names than `loss`."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = layers.Dense(1, activation="sigmoid")

    def call(self, x: Any) -> Any:
        return self.answer(x)

    def train_step(self, data: Any) -> dict[str, Any]:
        return {f"my_{name}": value for name, value in super().train_step(data).items()}


class HalfCut(layers.Layer):  # type: ignore[misc]
    """Scales by the rounded value of a weight."""

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight(shape=(input_shape[-1], 16), name="kernel")
        self.scale = self.add_weight(shape=(16,), initializer="ones", name="scale")

    def call(self, x: Any) -> Any:
        return tf.nn.relu(tf.matmul(x, self.kernel)) * tf.stop_gradient(self.scale)


class OwnWeights(keras.Model):  # type: ignore[misc]
    """Weights of the model itself, in no layer."""

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight(shape=(4, 1), name="kernel")

    def call(self, x: Any) -> Any:
        return tf.sigmoid(tf.matmul(x, self.kernel))


def own_weights() -> Fitted:
    model = OwnWeights()
    model.compile(keras.optimizers.Adam(0.05), "binary_crossentropy", metrics=["accuracy"])
    return model, X, Y


def functions() -> Fitted:
    model = Functions()
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model, X, Y


def operations() -> Fitted:
    x = keras.Input((4,))
    hidden = keras.ops.relu(layers.Dense(16)(x))
    model = keras.Model(x, keras.ops.sigmoid(layers.Dense(1)(hidden)))
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
    return model, X, Y


def own_step() -> Fitted:
    model = OwnStep()
    model.compile(keras.optimizers.Adam(0.05), "binary_crossentropy", metrics=["accuracy"])
    return model, X, Y


def tagging() -> Fitted:
    """A class for each token."""
    model = keras.Sequential([layers.Embedding(20, 8), layers.Dense(16, activation="relu"), layers.Dense(3)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"])
    tokens = RNG.integers(20, size=(192, 6))
    return model, tokens, tokens % 3


def one_hot_tagging() -> Fitted:
    """The same with labels of three axes, of numbers with several columns."""
    model = keras.Sequential([layers.Dense(18), layers.Reshape((6, 3)), layers.Softmax()])
    model.compile(keras.optimizers.Adam(0.01), "categorical_crossentropy", metrics=["accuracy"])
    x = RNG.normal(size=(192, 6)).astype("float32")
    return model, x, np.eye(3, dtype="float32")[(x > 0).astype(int) + (x > 1)]


def half_cut() -> Fitted:
    """A layer of one's own one of whose weights no gradient reaches."""
    model = keras.Sequential([HalfCut(), layers.Dense(1, activation="sigmoid")])
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
    return model, X, Y


def own_loss() -> Fitted:
    """With labels that NumPy made: float64."""
    model = keras.Sequential([layers.Dense(16, activation="relu"), layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.01), lambda y, answer: tf.reduce_mean(tf.square(y - answer)))
    return model, X, (X[:, :1] + X[:, 1:2] * X[:, 2:3]).astype("float64")


def two_outputs_one_loss() -> Fitted:
    x = keras.Input((4,))
    hidden = layers.Dense(16, activation="relu")(x)
    model = keras.Model(x, [layers.Dense(1)(hidden), layers.Dense(1)(hidden)])
    model.compile(keras.optimizers.Adam(0.01), "mse")
    return model, X, [X[:, :1], X[:, 1:2]]


def vector_metric() -> Fitted:
    model = keras.Sequential([layers.Dense(16, activation="relu"), layers.Dense(2, activation="softmax")])
    model.compile(keras.optimizers.Adam(0.01), "categorical_crossentropy", metrics=[keras.metrics.F1Score()])
    return model, X, np.eye(2, dtype="float32")[Y]


def rare_labels() -> Fitted:
    """Several labels at once, of which few hold."""
    model = keras.Sequential([layers.Dense(16, activation="relu"), layers.Dense(5, activation="sigmoid")])
    model.compile(keras.optimizers.Adam(0.003), "binary_crossentropy", metrics=["accuracy"])
    return model, X, (X @ RNG.normal(size=(4, 5)) > 3.5).astype("float32")


MODELS: tuple[Callable[[], Fitted], ...] = (
    functions,
    operations,
    own_step,
    own_weights,
    tagging,
    one_hot_tagging,
    own_loss,
    two_outputs_one_loss,
    vector_metric,
    rare_labels,
)


@pytest.mark.slow
@pytest.mark.parametrize("made", MODELS)
def test_it_is_watched_to_its_end_and_not_called_sick(made: Callable[[], Fitted]) -> None:
    keras.utils.set_random_seed(2)
    model, x, y = made()
    diagnosis = Diagnosis(x, y)
    model.fit(x, y, epochs=12, batch_size=32, shuffle=False, verbose=0, callbacks=[diagnosis])
    assert len(diagnosis.signals.epochs) == 12
    assert np.isfinite(diagnosis.signals.last.loss)
    assert [finding.symptom for finding in diagnosis.findings if finding.severity == "critical"] == []


@pytest.mark.parametrize(
    "made", [functions, operations, own_weights, tagging, one_hot_tagging, own_loss, two_outputs_one_loss]
)
def test_it_is_looked_at_before_it_trains(made: Callable[[], Fitted]) -> None:
    keras.utils.set_random_seed(2)
    model, x, y = made()
    symptoms = [finding.symptom for finding in preflight(model, x, y).findings if finding.rank]
    assert set(symptoms) <= {"not_loadable"}


def test_a_weight_that_no_gradient_reaches_is_named() -> None:
    model, x, y = half_cut()
    said = [finding.message for finding in preflight(model, x, y).findings if finding.symptom == "unreached_weights"]
    assert [each.partition(" in an inference")[0] for each in said] == ["No gradient reaches scale of half_cut"]


def test_a_model_without_layers_is_watched_as_far_as_can_be() -> None:
    model, x, y = own_weights()
    diagnosis = Diagnosis(x, y)
    model.fit(x, y, epochs=8, verbose=0, callbacks=[diagnosis])
    assert diagnosis.signals.facts.layers == ()
    assert diagnosis.healthy, diagnosis.findings


def test_one_epoch_is_judged_by_nothing_it_could_not_have_reached() -> None:
    model, x, y = operations()
    diagnosis = Diagnosis(x, y)
    for epoch in range(3):
        model.fit(x, y, initial_epoch=epoch, epochs=epoch + 1, verbose=0, callbacks=[diagnosis])
        assert diagnosis.healthy, diagnosis.findings


def test_a_model_without_a_compiled_loss_is_refused_before_the_first_step() -> None:
    model = OwnStep()
    model.compile("adam")
    with pytest.raises(UserError, match="expected a model with a compiled loss"):
        model.fit(X, Y, verbose=0, callbacks=[Diagnosis(X, Y)])
    with pytest.raises(UserError, match="expected a model with a compiled loss"):
        preflight(model, X, Y)


def test_a_stateful_layer_is_refused_since_a_look_would_change_its_state() -> None:
    model = keras.Sequential(
        [keras.Input(batch_shape=(32, 4, 1)), layers.LSTM(4, stateful=True, name="memory"), layers.Dense(1)]
    )
    model.compile("adam", "mse")
    with pytest.raises(UserError, match="memory is stateful"):
        model.fit(X[..., None], Y, batch_size=32, verbose=0, callbacks=[Diagnosis(X[..., None], Y)])
    with pytest.raises(UserError, match="memory is stateful"):
        preflight(model, X[..., None], Y)
