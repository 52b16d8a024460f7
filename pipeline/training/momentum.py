"""Momentum that moves from step to step, as one-cycle wants it: read from the optimiser's own count of steps."""

from typing import Any

import keras

from pipeline.training.optimizers import unscaled
from pipeline.training.schedules import OneCycleDecay


def cycle_momentum(built: keras.optimizers.Optimizer, momentum: OneCycleDecay) -> None:
    """Lets the momentum of an optimiser follow a schedule; nothing is kept between steps but `iterations`.

    Adam's correction for its start from 0 takes the beta_1 of the step, as in PyTorch's `OneCycleLR`.

    Args:
        built: Changed in place; one of `pipeline.recipe.schedule.MOMENTUM`, SGD with a momentum that is not 0.
        momentum: From the step to the momentum, or to beta_1.
    """
    inner = unscaled(built)
    update_step = inner.update_step

    def sgd_step(gradient: Any, variable: Any, learning_rate: Any) -> None:
        # Keras 3.15 asks whether the momentum is 0, which no tensor can answer while the step is compiled.
        now = momentum(inner.iterations)
        velocity = inner.momentums[inner._get_variable_index(variable)]
        inner.assign(velocity, now * velocity - learning_rate * gradient)
        inner.assign_add(variable, now * velocity - learning_rate * gradient if inner.nesterov else velocity)

    def adam_step(gradient: Any, variable: Any, learning_rate: Any) -> None:
        at_rest = inner.beta_1
        inner.beta_1 = momentum(inner.iterations)
        update_step(gradient, variable, learning_rate)
        inner.beta_1 = at_rest

    inner.update_step = sgd_step if isinstance(inner, keras.optimizers.SGD) else adam_step
