"""Healthy trainings of many kinds, near misses of the planted faults among them."""

import keras
import numpy as np

from tests.diagnosis.zoo.animal import NUM_CLASSES, Animal, X, Y, dense, scaled, unit


def normalised() -> keras.Model:
    model = keras.Sequential([keras.Input((2,))])
    for name in ("one", "two", "three"):
        model.add(keras.layers.Dense(24, use_bias=False, name=name))
        model.add(keras.layers.BatchNormalization())
        model.add(keras.layers.Activation("relu"))
    model.add(keras.layers.Dense(NUM_CLASSES))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"])
    return model


def residual() -> keras.Model:
    """Branches that end in a kernel of zeros, as many residual networks start."""
    x = inputs = keras.Input((2,))
    x = keras.layers.Dense(32, name="in")(x)
    for place in range(3):
        branch = keras.layers.Dense(32, activation="relu", name=f"a{place}")(x)
        x = keras.layers.add([x, keras.layers.Dense(32, kernel_initializer="zeros", name=f"b{place}")(branch)])
    model = keras.Model(inputs, keras.layers.Dense(NUM_CLASSES, activation="softmax")(x))
    model.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def transferred() -> keras.Model:
    """A frozen part that was trained before, with a new head on it."""
    whole = dense(unit("one"), unit("two"))()
    whole.fit(X, Y, epochs=20, shuffle=False, verbose=0)
    base = keras.Sequential(whole.layers[:-1], name="base")
    base.trainable = False
    model = keras.Sequential([keras.Input((2,)), base, keras.layers.Dense(NUM_CLASSES, activation="softmax")])
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def regression() -> keras.Model:
    model = keras.Sequential([keras.Input((2,)), unit("one"), unit("two"), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.02), "mse")
    return model


def words() -> keras.Model:
    layers = [keras.layers.Embedding(20, 8), keras.layers.GlobalAveragePooling1D(), keras.layers.Dense(1, "sigmoid")]
    model = keras.Sequential([keras.Input((6,), dtype="int32"), *layers])
    model.compile(keras.optimizers.Adam(0.03), "binary_crossentropy", metrics=["accuracy"])
    return model


def half_precision() -> keras.Model:
    model = keras.Sequential([keras.Input((2,)), *(unit(name, dtype="mixed_float16") for name in ("one", "two"))])
    model.add(keras.layers.Dense(NUM_CLASSES, activation="softmax", dtype="float32"))
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.02))
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


RNG = np.random.default_rng(9)
TOKENS = RNG.integers(0, 20, size=(300, 6))
NOISY = np.where(RNG.random(len(Y)) < 0.15, RNG.integers(NUM_CLASSES, size=len(Y)), Y)
MOSTLY_FIRST = (Y == 0) | (RNG.random(len(Y)) < 0.25)
"""Examples of which three quarters are of one class."""
PENALTY = keras.regularizers.L2(1e-3)

HEALTHY = {
    "relu": Animal(dense(unit("one"), unit("two")), X, Y),
    "tanh with rmsprop": Animal(dense(unit("one", "tanh"), unit("two", "tanh"), optimizer=("rmsprop", 0.02)), X, Y),
    "two sigmoids": Animal(
        dense(*(unit(name, "sigmoid", "glorot_uniform") for name in ("one", "two")), optimizer=("adam", 0.05)), X, Y, 30
    ),
    "batch norm and logits": Animal(normalised, X, Y),
    "residual branches of zeros": Animal(residual, X, Y),
    "a frozen part": Animal(transferred, X, Y, 15),
    "noisy labels": Animal(dense(unit("one"), unit("two")), X, NOISY, 25),
    "few examples": Animal(dense(unit("one"), unit("two")), X[:80], Y[:80], 60),
    "a frequent class": Animal(dense(unit("one"), unit("two")), X[MOSTLY_FIRST], Y[MOSTLY_FIRST], 30),
    "regression": Animal(regression, X, (X**2).sum(axis=1, keepdims=True), 30),
    "tokens": Animal(words, TOKENS, (TOKENS.mean(axis=1) > 9.5).astype("float32"), 40),
    "input somewhat large": Animal(dense(unit("one"), unit("two")), X * 4, Y),
    "weights somewhat large": Animal(dense(unit("one", kernel=scaled(1.5)), unit("two")), X, Y),
    "tanh near its ends": Animal(
        dense(unit("one", "tanh", scaled(4.0)), unit("two", "tanh", "glorot_uniform")), X, Y, 25
    ),
    "a rate somewhat high": Animal(dense(unit("one"), unit("two"), optimizer=("adam", 0.08)), X, Y),
    "a rate somewhat low": Animal(dense(unit("one"), unit("two"), optimizer=("adam", 1e-3)), X, Y, 60),
    "half dropped": Animal(dense(unit("one", width=64), keras.layers.Dropout(0.5), unit("two", width=64)), X, Y, 30),
    "a penalty": Animal(dense(unit("one", kernel_regularizer=PENALTY), unit("two", kernel_regularizer=PENALTY)), X, Y),
    "half precision": Animal(half_precision, X, Y),
}
