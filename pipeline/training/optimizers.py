"""Keras optimisers by name, with any of their arguments and with what is done to gradients and weights beside them."""

import inspect
from typing import Any

import keras

from pipeline.errors import UserError
from pipeline.recipe.schedule import OneCycle, momentum_argument
from pipeline.recipe.train import Ema, OptimizerConfig, TrainConfig
from pipeline.training.schedules import Rate

OPTIMIZERS: dict[str, type[keras.optimizers.Optimizer]] = {
    name.lower(): member
    for name, member in vars(keras.optimizers).items()
    if inspect.isclass(member) and issubclass(member, keras.optimizers.Optimizer)
}


def optimizer(
    section: OptimizerConfig, *, learning_rate: Rate, policy: str, **update: Any
) -> keras.optimizers.Optimizer:
    """Builds an optimiser.

    Args:
        section: Keras name and arguments.
        learning_rate: The rate or its schedule, in place of the section's peak.
        policy: Keras dtype policy of the network; under mixed_float16 the loss is scaled so that small gradients do not
            vanish (Micikevicius et al. 2018, "Mixed Precision Training").
        update: More arguments of the optimiser, as `update_arguments` gives them.

    Raises:
        UserError: If Keras has no such optimiser, or it refuses an argument.
    """
    # `AdamW` and `adam_w` are names too, as in `models/keras_api.py`.
    cls = OPTIMIZERS.get(section.type.replace("_", "").lower())
    if cls is None:
        raise UserError(
            f"train.optimizer.type: expected one of {', '.join(sorted(OPTIMIZERS))}. Received: {section.type!r}"
        )
    arguments = section.__pydantic_extra__ | update
    _refuse_texts(cls, arguments)
    try:
        plain = cls(learning_rate=learning_rate, **arguments)
    except (TypeError, ValueError) as error:
        raise UserError(f"train.optimizer: {section.type} refuses its arguments {arguments}: {error}") from error
    return keras.optimizers.LossScaleOptimizer(plain) if policy == "mixed_float16" else plain


def update_arguments(section: TrainConfig) -> dict[str, Any]:
    """Returns the arguments of a Keras optimiser that keys beside `train.optimizer` stand for."""
    arguments: dict[str, Any] = {}
    if section.clip:
        clip = {"clipvalue": section.clip.value, "clipnorm": section.clip.norm}
        clip["global_clipnorm"] = section.clip.global_norm
        arguments |= {name: limit for name, limit in clip.items() if limit}
    argument = momentum_argument(section.optimizer.type)
    if argument and isinstance(section.schedule, OneCycle) and section.schedule.momentum:
        # Keras keeps a velocity for SGD only where its momentum is not 0 from the start.
        arguments[argument] = section.schedule.momentum[1]
    if section.accumulate_steps > 1:
        arguments["gradient_accumulation_steps"] = section.accumulate_steps
    if isinstance(section.averaging, Ema):
        # Keras 3.15 moves the average at every batch, also at those that only accumulate: this root makes
        # `accumulate_steps` moves towards the same weights one move with the momentum of the recipe.
        arguments |= {"use_ema": True, "ema_momentum": section.averaging.momentum ** (1 / section.accumulate_steps)}
    return arguments


def require_an_update(section: TrainConfig, num_batches: int) -> None:
    """Refuses a run that accumulates gradients to its end and never updates the weights.

    Raises:
        UserError: If a run of so many batches has no update.
    """
    if section.accumulate_steps > num_batches:
        raise UserError(
            f"train.accumulate_steps: expected no more than the run's {num_batches} batches, or nothing is learned. "
            f"Received: {section.accumulate_steps}"
        )


def exempt_from_weight_decay(built: keras.optimizers.Optimizer, network: keras.Model) -> None:
    """Keeps decoupled weight decay off biases, norm parameters and scales: all that has fewer than two dimensions.

    As in Goyal et al. 2017, "Accurate, Large Minibatch SGD", and He et al. 2019, "Bag of Tricks".

    Args:
        built: Not yet used on any variable.
        network: Whose trainable variables it will update.
    """
    vectors = [variable for variable in network.trainable_variables if len(variable.shape) < 2]
    unscaled(built).exclude_from_weight_decay(var_list=vectors)


def unscaled(built: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """Returns the optimiser inside a loss-scaling one; itself where the loss is not scaled."""
    return built.inner_optimizer if isinstance(built, keras.optimizers.LossScaleOptimizer) else built


def _refuse_texts(cls: type[keras.optimizers.Optimizer], arguments: dict[str, Any]) -> None:
    """Keras notices a text in place of a number only at the first step, and says nothing of the argument."""
    defaults = inspect.signature(cls).parameters
    for name, value in arguments.items():
        known = defaults.get(name)
        if isinstance(value, str) and known is not None and isinstance(known.default, int | float):
            raise UserError(f"train.optimizer.{name}: expected a number or a truth value. Received: {value!r}")
