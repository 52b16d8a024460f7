"""Trainings with one planted fault each, by what is wrong."""

import keras
import numpy as np

from tests.diagnosis.zoo.animal import NUM_CLASSES, Animal, X, Y, dense, scaled, unit

SIGMOIDS = [unit(f"layer_{i}", "sigmoid", "glorot_uniform") for i in range(10)]

MINUS_ONE_AND_ONE = np.where(Y == 1, 1, -1).astype("float32")


def mostly_wrong(num: int) -> np.ndarray:
    """Labels of the first rings; of those that are trained on, two thirds are drawn by chance."""
    rng = np.random.default_rng(0)
    drawn = (np.arange(num) < num * 3 // 4) & (rng.random(num) < 0.7)
    return np.where(drawn, rng.integers(NUM_CLASSES, size=num), Y[:num])


def rising_rate() -> keras.Model:
    """The learning rate grows by half each epoch, to a thousand times what it was."""
    model = dense(unit("one"), unit("two"))()
    rates = keras.optimizers.schedules.ExponentialDecay(0.01, decay_steps=10, decay_rate=1.5)
    model.compile(keras.optimizers.Adam(rates), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def too_large_for_16_bits() -> keras.Model:
    """Weights from which values follow that float16 does not hold, whatever the loss is multiplied by."""
    model = keras.Sequential([keras.Input((2,))])
    for name in ("one", "two", "three"):
        model.add(unit(name, kernel=scaled(200.0), dtype="mixed_float16"))
    model.add(keras.layers.Dense(NUM_CLASSES, activation="softmax", dtype="float32"))
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.02))
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@keras.saving.register_keras_serializable("zoo")
class Cut(keras.layers.Layer):  # type: ignore[misc]
    """Passes values on, and no gradient back."""

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        return keras.ops.stop_gradient(x)


SICK = {
    "zeros in one layer": Animal(
        dense(unit("one"), unit("two", kernel="zeros"), unit("three")), X, Y, 10, "poor_initialization", "two"
    ),
    "a bias that kills": Animal(
        dense(unit("one"), unit("two", bias_initializer=keras.initializers.Constant(-30.0)), unit("three")),
        *(X, Y, 10, "dying_relu", "two"),
    ),
    "a bias that shuts": Animal(
        dense(
            unit("one"),
            unit("two", "sigmoid", "glorot_uniform", bias_initializer=keras.initializers.Constant(-60.0)),
            unit("three"),
        ),
        *(X, Y, 12, "dead_layer", "two", ("plateau", "class_collapse")),
    ),
    "an exponential": Animal(
        dense(unit("one"), unit("two", "exponential", scaled(20.0)), unit("three")),
        *(X, Y, 10, "exploding_gradient", "two"),
    ),
    "an exponential of an exponential": Animal(
        dense(unit("one"), unit("two", "exponential", scaled(3.0)), unit("three", "exponential", scaled(3.0))),
        *(X, Y, 6, "nan", "two"),
    ),
    "ten sigmoids": Animal(dense(*SIGMOIDS, optimizer=("sgd", 0.05)), X, Y, 20, "vanishing_gradient", "layer_0"),
    "tanh at its ends": Animal(
        dense(*(unit(name, "tanh", scaled(40.0)) for name in ("one", "two", "three"))),
        *(X, Y, 20, "saturated_activation"),
    ),
    "a rate far too high": Animal(
        dense(unit("one"), unit("two"), optimizer=("adam", 3.0)), X, Y, 20, "too_large_steps"
    ),
    "steps across the valley": Animal(
        dense(unit("one"), unit("two"), optimizer=("sgd", 1.0, 0.9)), X, Y, 20, "oscillating_loss"
    ),
    "a rate that rises": Animal(rising_rate, X, Y, 20, "diverging"),
    "a rate far too low": Animal(dense(unit("one"), unit("two"), optimizer=("adam", 1e-6)), X, Y, 20, "frozen_weights"),
    "a rate too low for the plan": Animal(
        dense(unit("one"), unit("two"), optimizer=("adam", 3e-4)), X, Y, 12, "slow_convergence", "", ("not_converging",)
    ),
    "no activations": Animal(
        dense(unit("one", "linear", "glorot_uniform"), unit("two", "linear", "glorot_uniform")),
        *(X, Y, 20, "improper_activation", "one"),
    ),
    "one unit wide": Animal(
        dense(keras.layers.Dense(1, activation="tanh", name="one"), unit("two")), X, Y, 30, "underfitting", "one"
    ),
    "input in thousands": Animal(
        dense(unit("one"), unit("two"), optimizer=("sgd", 0.01)),
        *(X * 1000, Y, 20, "abnormal_input", "one", ("class_collapse",)),
    ),
    "wrong labels learnt by heart": Animal(
        dense(unit("one", width=64), unit("two", width=64), optimizer=("adam", 0.01)),
        *(X[:160], mostly_wrong(160), 80, "overfitting"),
        also=("label_noise",),
        mendable=False,
    ),
    "labels of another coding": Animal(
        dense(unit("one"), unit("two"), output="sigmoid", outputs=1),
        *(X, MINUS_ONE_AND_ONE, 10, "wrong_labels"),
        mendable=False,
    ),
    "a graph that is cut": Animal(
        dense(unit("one", width=3), Cut()), X, Y, 20, "unreached_weights", "one", mendable=False
    ),
    "too large for 16 bits": Animal(too_large_for_16_bits, X, Y, 8, "loss_scale_collapse", "", ("nan",)),
}
