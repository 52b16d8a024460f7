"""Keras optimisers by name, with any of their arguments."""

import inspect
from typing import Any

import keras

from pipeline.errors import UserError
from pipeline.recipe.train import OptimizerConfig
from pipeline.schedules import Rate

OPTIMIZERS: dict[str, type[keras.optimizers.Optimizer]] = {
    name.lower(): member
    for name, member in vars(keras.optimizers).items()
    if inspect.isclass(member) and issubclass(member, keras.optimizers.Optimizer)
}


def optimizer(section: OptimizerConfig, *, learning_rate: Rate, policy: str) -> keras.optimizers.Optimizer:
    """Builds an optimiser.

    Args:
        section: Keras name and arguments.
        learning_rate: The rate or its schedule, in place of the section's peak.
        policy: Keras dtype policy of the network; under mixed_float16 the loss is scaled so that small gradients do not
            vanish (Micikevicius et al. 2018, "Mixed Precision Training").

    Raises:
        UserError: If Keras has no such optimiser, or it refuses an argument.
    """
    # `AdamW` and `adam_w` are names too, as in `models/keras_api.py`.
    cls = OPTIMIZERS.get(section.type.replace("_", "").lower())
    if cls is None:
        raise UserError(
            f"train.optimizer.type: expected one of {', '.join(sorted(OPTIMIZERS))}. Received: {section.type!r}"
        )
    arguments = section.__pydantic_extra__
    _refuse_texts(cls, arguments)
    try:
        plain = cls(learning_rate=learning_rate, **arguments)
    except (TypeError, ValueError) as error:
        raise UserError(f"train.optimizer: {section.type} refuses its arguments {arguments}: {error}") from error
    return keras.optimizers.LossScaleOptimizer(plain) if policy == "mixed_float16" else plain


def _refuse_texts(cls: type[keras.optimizers.Optimizer], arguments: dict[str, Any]) -> None:
    """Keras notices a text in place of a number only at the first step, and says nothing of the argument."""
    defaults = inspect.signature(cls).parameters
    for name, value in arguments.items():
        known = defaults.get(name)
        if isinstance(value, str) and known is not None and isinstance(known.default, int | float):
            raise UserError(f"train.optimizer.{name}: expected a number or a truth value. Received: {value!r}")
