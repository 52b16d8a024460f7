"""Which values a kernel starts at: Keras's initialisers, chosen by activation and seeded by place."""

from typing import Any

import keras

from models.errors import ModelError
from models.knobs import Initializer
from models.seeds import seed_for

HE = (
    *("relu", "relu6", "leaky_relu", "elu", "celu", "gelu", "silu", "swish", "mish", "hard_silu", "hard_swish"),
    *("softplus", "squareplus", "sparse_plus", "threshold"),
)
"""Activations that pass on about half of their input: He et al. 2015, https://arxiv.org/abs/1502.01852."""

LECUN = ("selu",)
"""Self-normalising activations: Klambauer et al. 2017, https://arxiv.org/abs/1706.02515."""


def auto_initializer(activation: str) -> str:
    """Chooses the initialiser that keeps the variance of signals from layer to layer.

    What is neither in `HE` nor in `LECUN` (tanh, sigmoid, softmax, linear) gets Glorot and Bengio 2010,
    https://proceedings.mlr.press/v9/glorot10a.html.

    Args:
        activation: Keras name of the activation that follows the kernel.

    Returns:
        Keras name of an initialiser.
    """
    if activation in LECUN:
        return "lecun_normal"
    return "he_normal" if activation in HE else "glorot_uniform"


def seeded_initializer(given: Initializer, seed: int) -> keras.initializers.Initializer:
    """Builds an initialiser that draws the same values each time.

    Args:
        given: Keras name, or `{type: name, argument: value}`.
        seed: Used if the initialiser is random and brings no seed of its own.

    Raises:
        ModelError: If Keras knows no such initialiser or refuses an argument.
    """
    name, arguments = keras_identifier(given)
    try:
        initializer = keras.initializers.get({"class_name": name, "config": arguments})
    except (TypeError, ValueError, KeyError) as error:
        raise ModelError(f"model: expected a Keras initialiser with its arguments. Received: {given}") from error
    return type(initializer).from_config(with_seeds(initializer.get_config(), seed))


def keras_identifier(given: str | dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Splits a name, or `{type: name, argument: value}`, into name and arguments."""
    if isinstance(given, str):
        return given, {}
    return given["type"], {name: value for name, value in given.items() if name != "type"}


def with_seeds(config: Any, seed: int, *path: str | int) -> Any:
    """Fills in every seed that a Keras config leaves open, however deep.

    Args:
        config: Of an initialiser or a layer, as its `get_config` gives it.
        seed: Each open seed is derived from this one and from its place in the config.
        path: Place of `config` in a larger one.
    """
    if isinstance(config, dict):
        filled = {key: with_seeds(value, seed, *path, key) for key, value in config.items()}
        return {**filled, "seed": seed_for(seed, *path)} if "seed" in config and config["seed"] is None else filled
    if isinstance(config, list | tuple):
        return type(config)(with_seeds(value, seed, *path, i) for i, value in enumerate(config))
    return config
