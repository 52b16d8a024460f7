"""The step loop gives what Keras's `fit` gives, to the bit, and from any position what the whole would have given."""

from typing import Any

import keras
import numpy as np
import pytest

from pipeline.batches import Batches
from pipeline.training.loop import Loop, Position

NUM_EXAMPLES, BATCH_SIZE, EPOCHS = 90, 16, 3
"""Six batches an epoch, the last one of ten examples."""

RARE = {0: 0.5, 2: 3.0}
"""Weights of classes."""


class Values(keras.callbacks.Callback):
    """Keeps what each epoch gave."""

    def __init__(self) -> None:
        super().__init__()
        self.epochs: list[dict[str, float]] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.epochs.append(dict(logs))


def split(seed: int, *, shuffle: bool = True) -> Batches:
    random = np.random.Generator(np.random.PCG64(seed))
    numbers = random.normal(size=(NUM_EXAMPLES, 4)).astype(np.float32)
    labels = random.integers(0, 3, NUM_EXAMPLES)
    return Batches({"numbers": numbers}, labels, batch_size=BATCH_SIZE, seed=seed, shuffle=shuffle)


def learner(*, optimizer: str = "adam", steps_per_execution: int = 1, policy: str = "float32") -> keras.Model:
    inputs = keras.Input((4,), name="numbers")
    hidden = keras.layers.Dense(8, activation="relu", kernel_initializer=keras.initializers.GlorotUniform(1))(inputs)
    hidden = keras.layers.Dropout(0.3, seed=2)(keras.layers.BatchNormalization()(hidden))
    output = keras.layers.Dense(3, kernel_initializer=keras.initializers.GlorotUniform(3))(hidden)
    network = keras.Model({"numbers": inputs}, output)
    built = keras.optimizers.get({"class_name": optimizer, "config": {"use_ema": optimizer == "sgd"}})
    network.compile(
        keras.optimizers.LossScaleOptimizer(built) if policy == "mixed_float16" else built,
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["sparse_categorical_accuracy"],
        steps_per_execution=steps_per_execution,
        auto_scale_loss=False,
    )
    return network


def weights(network: keras.Model) -> list[bytes]:
    return [variable.numpy().tobytes() for variable in (*network.variables, *network.optimizer.variables)]


def by_fit(network: keras.Model, class_weights: dict[int, float] | None, *callbacks: Any) -> list[dict[str, float]]:
    training, validation, values = split(0), split(1, shuffle=False), Values()
    network.fit(
        training.dataset(num_steps=EPOCHS * training.steps_per_epoch),
        epochs=EPOCHS,
        steps_per_epoch=training.steps_per_epoch,
        validation_data=validation.dataset(num_steps=validation.steps_per_epoch),
        class_weight=class_weights,
        callbacks=[*callbacks, values],
        shuffle=False,
        verbose=0,
    )
    return values.epochs


def by_loop(network: keras.Model, class_weights: dict[int, float] | None, *callbacks: Any) -> list[dict[str, float]]:
    values = Values()
    loop = Loop(network, split(0), split(1, shuffle=False), epochs=range(EPOCHS), class_weights=class_weights)
    loop.run([*callbacks, values])
    return values.epochs


@pytest.mark.parametrize(
    ("compiled", "class_weights"),
    [
        ({}, None),
        ({"steps_per_execution": 3}, RARE),
        ({"policy": "mixed_float16"}, RARE),
        pytest.param({}, RARE, marks=pytest.mark.slow),
        pytest.param({"optimizer": "sgd"}, None, marks=pytest.mark.slow),
        pytest.param({"optimizer": "sgd"}, RARE, marks=pytest.mark.slow),
        pytest.param({"steps_per_execution": 3}, None, marks=pytest.mark.slow),
        pytest.param({"policy": "mixed_float16"}, None, marks=pytest.mark.slow),
    ],
)
def test_weights_and_history_are_those_of_fit(compiled: dict[str, Any], class_weights: dict[int, float] | None) -> None:
    ours, theirs = learner(**compiled), learner(**compiled)
    assert by_loop(ours, class_weights) == by_fit(theirs, class_weights)
    assert weights(ours) == weights(theirs)


def test_callbacks_stop_and_restore_as_under_fit() -> None:
    def stopping() -> keras.callbacks.Callback:
        return keras.callbacks.EarlyStopping("val_loss", patience=1, min_delta=10, restore_best_weights=True)

    ours, theirs = learner(), learner()
    history = by_loop(ours, None, stopping())
    assert len(history) == 2
    assert history == by_fit(theirs, None, stopping())
    assert weights(ours) == weights(theirs)


def test_an_epoch_that_is_no_multiple_of_the_steps_of_a_call_has_its_own_steps_only() -> None:
    one, four = learner(), learner(steps_per_execution=4)
    assert by_loop(one, None) == by_loop(four, None)
    assert weights(one) == weights(four)


def test_every_position_is_passed_once_in_order() -> None:
    seen: list[Position] = []
    Loop(learner(steps_per_execution=4), split(0), split(1, shuffle=False), epochs=range(5, 7)).run(
        [], passed=seen.append
    )
    assert seen == [(5, 4), (5, 6), (6, 0), (6, 4), (6, 6), (7, 0)]
