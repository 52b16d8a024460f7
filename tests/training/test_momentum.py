"""Momentum that one-cycle moves: the recurrence of each optimiser, worked out beside it."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from pydantic import TypeAdapter

from pipeline.recipe.schedule import MOMENTUM, ScheduleConfig
from pipeline.training.momentum import cycle_momentum
from pipeline.training.optimizers import optimizer, update_arguments
from pipeline.training.schedules import cycled_momentum
from tests.small_runs import train_section

RATE = 0.1
NUM_STEPS = 6
GRADIENTS = np.random.Generator(np.random.PCG64(0)).normal(size=(NUM_STEPS, 3)).astype(np.float32)


def cycled(kind: str, policy: str, **arguments: Any) -> keras.optimizers.Optimizer:
    section = train_section(
        optimizer={"type": kind, **arguments}, schedule={"type": "one_cycle", "rise": 0.35, "momentum": [0.9, 0.95]}
    )
    built = optimizer(section.optimizer, learning_rate=RATE, policy=policy, **update_arguments(section))
    momentum = cycled_momentum(section.schedule, NUM_STEPS)
    assert momentum is not None
    cycle_momentum(built, momentum)
    return built


def momenta() -> list[float]:
    schedule = TypeAdapter(ScheduleConfig).validate_python({"type": "one_cycle", "rise": 0.35, "momentum": [0.9, 0.95]})
    momentum = cycled_momentum(schedule, NUM_STEPS)
    assert momentum is not None
    return [float(momentum(step)) for step in range(NUM_STEPS)]


def updated(built: keras.optimizers.Optimizer) -> np.ndarray:
    """The variable after all gradients, each step compiled as in a training."""
    variable = keras.Variable(np.zeros(3, np.float32))
    built.build([variable])

    @tf.function
    def step(gradient: tf.Tensor) -> None:
        built.apply([gradient * built.scale_loss(1.0)], [variable])

    for gradient in GRADIENTS:
        step(tf.constant(gradient))
    return np.asarray(variable)


def by_sgd(nesterov: bool) -> np.ndarray:
    velocity, weight = np.zeros(3), np.zeros(3)
    for momentum, gradient in zip(momenta(), GRADIENTS, strict=True):
        velocity = momentum * velocity - RATE * gradient
        weight += momentum * velocity - RATE * gradient if nesterov else velocity
    return weight


def by_adam() -> np.ndarray:
    first, second, weight = np.zeros(3), np.zeros(3), np.zeros(3)
    for step, (beta, gradient) in enumerate(zip(momenta(), GRADIENTS, strict=True), start=1):
        first = beta * first + (1 - beta) * gradient
        second = 0.999 * second + 0.001 * gradient**2
        corrected = first / (1 - beta**step), second / (1 - 0.999**step)
        weight -= RATE * corrected[0] / (np.sqrt(corrected[1]) + 1e-7)
    return weight


def test_momentum_falls_to_its_lowest_where_the_rate_is_highest_and_rises_again() -> None:
    np.testing.assert_allclose(momenta(), [0.95, 0.925, 0.9, 0.907322, 0.925, 0.942678], atol=1e-6)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_follows_its_recurrence_with_the_momentum_of_each_step(nesterov: bool, policy: str) -> None:
    np.testing.assert_allclose(updated(cycled("sgd", policy, nesterov=nesterov)), by_sgd(nesterov), rtol=1e-5)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_adam_follows_its_recurrence_with_the_beta_of_each_step(policy: str) -> None:
    np.testing.assert_allclose(updated(cycled("adam", policy)), by_adam(), rtol=1e-3)


@pytest.mark.parametrize("kind", MOMENTUM)
def test_each_optimizer_that_is_offered_moves_otherwise_than_with_its_highest_momentum(kind: str) -> None:
    section = train_section(optimizer={"type": kind})
    plain = optimizer(section.optimizer, learning_rate=RATE, policy="float32", **{MOMENTUM[kind]: 0.95})
    assert np.abs(updated(cycled(kind, "float32")) - updated(plain)).max() > 1e-3


def test_nothing_but_the_count_of_steps_is_kept_between_steps() -> None:
    """A new optimiser that is given the variables of another goes on bit by bit as that one does."""
    variables = [keras.Variable(np.zeros(3, np.float32)) for _ in range(2)]
    first, second = (cycled("adam", "float32") for _ in range(2))
    for built, variable in zip((first, second), variables, strict=True):
        built.build([variable])
    for i, gradient in enumerate(GRADIENTS):
        if i == 3:
            variables[1].assign(variables[0])
            for own, other in zip(second.variables, first.variables, strict=True):
                own.assign(other)
        for built, variable in list(zip((first, second), variables, strict=True))[: 1 if i < 3 else 2]:
            built.apply([tf.constant(gradient)], [variable])
    np.testing.assert_array_equal(*map(np.asarray, variables))
