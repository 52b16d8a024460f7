"""Learning rates that differ by layer: the rate of the optimiser times a factor of each variable."""

from collections.abc import Mapping
from typing import Any

import keras

from pipeline.training.optimizers import unscaled


def depth_factors(unfrozen: list[keras.Layer], factor: float) -> dict[Any, float]:
    """Gives each layer the factor of the one above it times `factor`: Howard and Ruder 2018, "ULMFiT".

    Args:
        unfrozen: Pretrained layers that train, from the input up; the head above them has factor 1.
        factor: In (0, 1].

    Returns:
        Reference of a variable of TensorFlow to its factor.
    """
    return {
        variable.value.ref(): factor**depth
        for depth, layer in enumerate(reversed(unfrozen), start=1)
        for variable in layer.trainable_variables
    }


def scale_rates(built: keras.optimizers.Optimizer, factors: Mapping[Any, float]) -> None:
    """Multiplies the learning rate of variables, for the update as for decoupled weight decay.

    To scale gradients instead would change nothing under Adam and its kin, which divide by their size.

    Args:
        built: Changed in place.
        factors: Reference of a variable to its factor; others have 1.
    """
    inner = unscaled(built)
    update_step, weight_decay = inner.update_step, inner.weight_decay
    # Keras decays all variables at one rate, before the updates.
    inner.weight_decay = None

    def scaled_step(gradient: Any, variable: Any, learning_rate: Any) -> None:
        rate = learning_rate * factors.get(variable.ref(), 1.0)
        if weight_decay and inner._use_weight_decay(variable):
            variable.assign_sub(variable * keras.ops.cast(weight_decay * rate, variable.dtype))
        update_step(gradient, variable, rate)

    inner.update_step = scaled_step
