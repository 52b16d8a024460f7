"""The pre-flight on real Keras models: healthy ones may begin, planted faults are found, the model is left alone."""

import re

import keras
import numpy as np
import pytest

from pipeline.diagnosis import Diagnosis, preflight
from pipeline.diagnosis.before import Report
from pipeline.diagnosis.before.look import find_leaks, look
from pipeline.diagnosis.before.reload import reload
from pipeline.diagnosis.before.seen import Leaks, Seen
from pipeline.diagnosis.before.telling import telling_columns
from pipeline.diagnosis.examples import distinct
from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.unfit import unfit_labels
from pipeline.errors import UserError
from pipeline.training.losses import OneHotLoss
from tests.diagnosis.zoo import HEALTHY, SICK, Animal
from tests.diagnosis.zoo.animal import NUM_CLASSES, X, Y

RNG = np.random.default_rng(3)


def checked(animal: Animal) -> tuple[keras.Model, Report]:
    keras.utils.set_random_seed(3)
    model = animal.build()
    return model, preflight(model, animal.x, animal.y, epochs=animal.epochs)


def symptoms(report: Report) -> list[str]:
    return [finding.symptom for finding in report.findings if finding.rank]


@pytest.mark.parametrize("name", ["residual branches of zeros", "regression", "tokens"])
def test_a_healthy_model_may_begin(name: str) -> None:
    _, report = checked(HEALTHY[name])
    assert symptoms(report) == []
    assert next(each for each in report.checked if each.title == "overfit one batch").verdict == "ok"


def test_the_model_is_left_as_it_was() -> None:
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(8, activation="relu", name="hidden")])
    for layer in (keras.layers.BatchNormalization(), keras.layers.Dropout(0.9), keras.layers.Dense(NUM_CLASSES)):
        model.add(layer)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    model.fit(X[:64], Y[:64], verbose=0)
    variables = [*model.variables, *model.optimizer.variables]
    before = [np.array(variable) for variable in variables]
    report = preflight(model, X, Y)
    assert symptoms(report) == []  # dropout of 90 % is off in the trial
    assert all(np.array_equal(now, then) for now, then in zip(variables, before, strict=True))


@pytest.mark.parametrize("name", ["zeros in one layer", "one unit wide"])
def test_what_cannot_learn_a_batch_is_found(name: str) -> None:
    _, report = checked(SICK[name])
    assert "cannot_overfit" in symptoms(report)
    assert name == "one unit wide" or SICK[name].symptom in symptoms(report)


class Doubled(keras.layers.Layer):  # type: ignore[misc]
    """A layer of one's own that is not registered; a second kernel is never used."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.inner = keras.layers.Dense(4, name="inner")
        self.inner.build(input_shape)
        self.spare = keras.layers.Dense(4, name="spare")
        self.spare.build(input_shape)

    def call(self, inputs: object) -> object:
        return keras.ops.relu(self.inner(inputs))


def classifier(*layers: keras.layers.Layer, activation: str | None = "softmax", **arguments: object) -> keras.Model:
    model = keras.Sequential([keras.Input((2,)), *layers, keras.layers.Dense(NUM_CLASSES, activation=activation)])
    model.compile(keras.optimizers.Adam(0.01), **{"loss": "sparse_categorical_crossentropy", **arguments})
    return model


def test_what_no_gradient_reaches_what_is_frozen_and_what_cannot_be_loaded_is_named() -> None:
    frozen = keras.layers.Dense(16, activation="relu", name="frozen", trainable=False)
    model = classifier(frozen, Doubled(name="mine"), keras.layers.Lambda(lambda x: 2 * x, name="code"))
    found: dict[str, Finding] = {each.symptom: each for each in preflight(model, X, Y).findings if each.rank}
    assert found["unreached_weights"].layers == ("spare",)
    assert found["frozen_layers"].layers == ("frozen",)
    assert set(found["not_loadable"].layers) == {"mine", "code"}


def test_a_frozen_part_that_was_trained_is_no_fault() -> None:
    base = keras.layers.Dense(16, activation="relu", name="base")
    classifier(base).fit(X, Y, epochs=3, verbose=0)
    base.trainable = False
    assert not [each for each in preflight(classifier(base), X, Y).findings if each.symptom == "frozen_layers"]


def test_one_kernel_that_looks_new_among_trained_ones_is_chance() -> None:
    trained = [
        keras.layers.Dense(16, activation="relu", name=name, trainable=False) for name in ("one", "two", "three")
    ]
    model = classifier(*trained)
    for layer in trained[:2]:
        layer.kernel.assign(3 * layer.kernel)
    assert not [each for each in preflight(model, X, Y).findings if each.symptom == "frozen_layers"]


def seen_of(model: keras.Model, x: np.ndarray = X, y: np.ndarray = Y) -> Seen:
    return look(model, x, y, epochs=1, batch_size=32)


def test_the_output_is_seen_behind_pooling() -> None:
    """A convolution to the classes, their mean, then the softmax: as in Lin et al. 2014."""
    layers = [keras.layers.Conv1D(NUM_CLASSES, 3), keras.layers.GlobalAveragePooling1D(), keras.layers.Softmax()]
    model = keras.Sequential([keras.Input((8, 1)), keras.layers.Conv1D(8, 3, activation="relu"), *layers])
    model.compile("adam", "sparse_categorical_crossentropy")
    x = RNG.normal(size=(64, 8, 1)).astype("float32")
    assert seen_of(model, x, RNG.integers(NUM_CLASSES, size=64)).facts.output_activation == "softmax"


def test_several_outputs_and_a_subclassed_model_are_looked_at_as_far_as_can_be() -> None:
    class Twofold(keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.hidden = keras.layers.Dense(16, activation="relu")
            self.one, self.two = keras.layers.Dense(1), keras.layers.Dense(1)

        def call(self, inputs: object) -> dict[str, object]:
            hidden = self.hidden(inputs)
            return {"one": self.one(hidden), "two": self.two(hidden)}

    model = Twofold()
    model.compile("adam", {"one": "mse", "two": "mse"})
    x = RNG.normal(size=(64, 2)).astype("float32")
    report = preflight(model, x, {"one": x[:, :1], "two": x[:, 1:] / 2})
    assert symptoms(report) == ["not_loadable"]
    assert next(each for each in report.checked if each.title == "reached weights").verdict == "ok"


def test_a_network_that_answers_otherwise_once_loaded_is_measured() -> None:
    @keras.saving.register_keras_serializable("tests")
    class Forgetful(keras.layers.Layer):  # type: ignore[misc]
        factor = 1.0

        def call(self, inputs: object) -> object:
            return inputs * self.factor

    layer = Forgetful()
    layer.factor = 3.0
    model = keras.Sequential([keras.Input((2,)), layer])
    assert reload(model, X[:4]).difference == pytest.approx(2 / 3)


def test_leaks_are_found_by_content() -> None:
    label = RNG.integers(NUM_CLASSES, size=200)
    x = np.stack([RNG.normal(size=200), np.array([7.0, 3.0, 5.0])[label], RNG.normal(size=200)], axis=1)
    assert find_leaks(x, label, np.concatenate([x[5:8], x[5:8] + 1])) == Leaks(shared=3, telling=("column 1",))
    assert find_leaks({"a": x}, np.eye(NUM_CLASSES)[label], None).telling == ("column 1 of a",)


def test_a_column_that_is_merely_good_is_not_the_label() -> None:
    label = RNG.integers(2, size=200)
    nearly = np.where(RNG.random(200) < 0.02, 1 - label, label)
    assert telling_columns(np.stack([nearly, label + RNG.random(200) / 2], axis=1), label) == []
    value = RNG.normal(size=200)
    columns = np.stack([2 * value + 1, value + RNG.normal(0, 0.01, 200)], axis=1)
    assert telling_columns(columns, value) == [0]
    assert telling_columns(columns[:, :1], value) == []  # the one input there is


def test_examples_of_a_batch_are_distinct_and_of_all_classes() -> None:
    x, y = np.repeat(np.arange(10.0), 20)[:, None], np.repeat(np.arange(10), 20)
    chosen, labels = distinct(x, y, 8)
    assert len(np.unique(chosen)) == 8
    assert {0, 9} <= set(labels.tolist())


ONE_HOT = np.eye(NUM_CLASSES, dtype="float32")[Y]
LOSS = {"sparse": "sparse_categorical_crossentropy", "one-hot": "categorical_crossentropy"}
UNFIT = [
    ("sparse", Y + 1, "labels go from 1 to 3, but an output of width 3 takes class indices from 0 to 2"),
    ("sparse", ONE_HOT, "takes class indices; these are rows .* use categorical_crossentropy"),
    ("one-hot", Y, "takes rows .*; these are class indices: use sparse_categorical_crossentropy"),
    ("one-hot", Y[:, None], "these are class indices: use sparse_categorical_crossentropy"),
    ("one-hot", ONE_HOT[:, :2], r"cannot compare labels of shape \(\d+, 2\) with an output of shape \(None, 3\)"),
]


@pytest.mark.parametrize(("loss", "y", "problem"), UNFIT)
def test_labels_that_the_loss_cannot_take_are_said_in_words(loss: str, y: np.ndarray, problem: str) -> None:
    model = classifier(keras.layers.Dense(8, activation="relu"), loss=LOSS[loss])
    (finding,) = preflight(model, X, y).findings
    assert (finding.symptom, finding.severity) == ("wrong_labels", "critical")
    assert re.search(problem, finding.message, re.IGNORECASE)
    with pytest.raises(UserError, match=problem):
        model.fit(X, y, verbose=0, callbacks=[Diagnosis(X, y)])


def test_one_wrong_label_among_all_is_found() -> None:
    y = np.where(np.arange(len(X)) == 1, NUM_CLASSES, Y)
    assert symptoms(preflight(classifier(), X, y)) == ["wrong_labels"]


def test_labels_that_keras_or_a_loss_of_ones_own_takes_are_let_pass() -> None:
    for loss, y in (
        (keras.losses.SparseCategoricalCrossentropy(ignore_class=255), np.where(Y == 2, 255, Y)),
        (OneHotLoss(keras.losses.CategoricalCrossentropy()), Y),
        (LOSS["sparse"], Y[:, None]),
    ):
        assert unfit_labels(classifier(loss=loss), X, y) == ""


def test_what_cannot_be_looked_at_is_refused() -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    with pytest.raises(UserError, match="expected a compiled model"):
        preflight(model, X, Y)
    model.compile("adam", "mse")
    with pytest.raises(UserError, match="x: expected an array"):
        preflight(model, iter([X]), Y)
