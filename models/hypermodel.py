"""Models of Keras Tuner scripts, `build(hp)` or a `HyperModel`, with the recipe's values for their hyperparameters."""

import inspect
from typing import Any

import keras


def is_hypermodel(function: Any) -> bool:
    """Whether a user's callable is Keras Tuner's: a `HyperModel`, or a function whose only argument is called `hp`."""
    if callable(getattr(function, "build", None)):
        return True
    return list(inspect.signature(function).parameters) == ["hp"]


def build_hypermodel(function: Any, values: dict[str, Any]) -> tuple[keras.Model, Any]:
    """Builds its model; what it compiles is left to the recipe.

    Args:
        function: As `is_hypermodel` takes it.
        values: Hyperparameter to its value; those that are missing have their defaults.

    Returns:
        The model, and Keras Tuner's `HyperParameters` with the space that it declared.
    """
    from keras_tuner import HyperParameters

    hyperparameters = HyperParameters()
    hyperparameters.values = dict(values)
    owner: Any = function() if inspect.isclass(function) else function
    build: Any = getattr(owner, "build", owner)
    return build(hyperparameters), hyperparameters
