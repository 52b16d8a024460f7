"""The techniques that every family of models takes, applied here and nowhere else.

Initialisers, regularisers, batch normalisation, dropout, the seed of each layer and its dtype policy. Nothing depends
on Keras's global generator, its global dtype policy or its counters of names.
"""

from dataclasses import dataclass
from typing import Any

import keras

from models.config import Initializer, Knobs
from models.errors import ModelError
from models.seeds import seed_for
from models.spec import OutputSpec

HE = (
    *("relu", "relu6", "leaky_relu", "elu", "celu", "gelu", "silu", "swish", "mish", "hard_silu", "hard_swish"),
    *("softplus", "squareplus", "sparse_plus", "threshold"),
)
"""Activations that pass on about half of their input: He et al. 2015, https://arxiv.org/abs/1502.01852."""

LECUN = ("selu",)
"""Self-normalising activations: Klambauer et al. 2017, https://arxiv.org/abs/1706.02515."""

OUTPUT_ACTIVATIONS = {"binary": "sigmoid", "multiclass": "softmax", "multilabel": "sigmoid", "regression": "linear"}
"""Activation of the output for each task."""


@dataclass(frozen=True)
class Blocks:
    """Layers with the knobs of one model applied; most methods take and return a symbolic tensor."""

    knobs: Knobs
    """What the recipe says."""
    seed: int
    """Seed of the model; each layer's own is derived from it and from the layer's name."""
    policy: str = "float32"
    """Keras dtype policy of every layer but the output."""

    def dense(self, x: keras.KerasTensor, units: int, name: str) -> keras.KerasTensor:
        """Dense layer, batch normalisation, activation: `(batch, n)` to `(batch, units)`."""
        layer = keras.layers.Dense(units, name=name, **self._hidden(name))
        return self._normalize_and_activate(layer(x), name)

    def conv(self, x: keras.KerasTensor, filters: int, kernel_size: int, name: str) -> keras.KerasTensor:
        """Convolution that keeps the size, batch normalisation, activation.

        `(batch, height, width, n)` to `(batch, height, width, filters)`, or `(batch, length, n)` to
        `(batch, length, filters)`.
        """
        convolution = keras.layers.Conv1D if len(x.shape) == 3 else keras.layers.Conv2D
        layer = convolution(filters, kernel_size, padding="same", name=name, **self._hidden(name))
        return self._normalize_and_activate(layer(x), name)

    def dropout(self, x: keras.KerasTensor, name: str) -> keras.KerasTensor:
        """Dropout at the model's rate."""
        if not self.knobs.dropout:
            return x
        seed = seed_for(self.seed, "dropout", name)
        return keras.layers.Dropout(self.knobs.dropout, seed=seed, name=name, dtype=self.policy)(x)

    def embedding(self, size: int, dim: int, *, mask: bool) -> keras.layers.Embedding:
        """Layer that embeds token indices: int32 `(batch, length)` to `(batch, length, dim)`.

        Args:
            size: Number of indices; 0 is padding.
            dim: Size of an embedding.
            mask: Whether later layers ignore padding.
        """
        initializer = seeded_initializer("random_uniform", seed_for(self.seed, "embeddings"))
        return keras.layers.Embedding(
            size, dim, embeddings_initializer=initializer, mask_zero=mask, name="embedding", dtype=self.policy
        )

    def output(self, x: keras.KerasTensor, spec: OutputSpec, activation: str = "auto") -> keras.KerasTensor:
        """Output layer, in float32 whatever the policy: `(batch, n)` to `(batch, num_outputs)`.

        Args:
            x: Features.
            spec: The task, which decides the activation.
            activation: `auto`, or the activation of the task.

        Raises:
            ModelError: If the activation is not the task's.
        """
        expected = OUTPUT_ACTIVATIONS[spec.task]
        if activation not in ("auto", expected):
            raise ModelError(
                f"model.output_activation: expected auto or {expected} for a {spec.task} task. Received: {activation}"
            )
        layer = keras.layers.Dense(
            spec.num_outputs,
            activation=expected,
            kernel_initializer=self._initializer(expected, "output"),
            kernel_regularizer=self._regularizer(),
            name="output",
            dtype="float32",
        )
        return layer(x)

    def _hidden(self, name: str) -> dict[str, Any]:
        """Arguments of a hidden layer with a kernel; batch normalisation has the bias that it then lacks."""
        return {
            "use_bias": not self.knobs.batch_norm,
            "kernel_initializer": self._initializer(self.knobs.activation, name),
            "kernel_regularizer": self._regularizer(),
            "dtype": self.policy,
        }

    def _normalize_and_activate(self, x: keras.KerasTensor, name: str) -> keras.KerasTensor:
        if self.knobs.batch_norm:
            x = keras.layers.BatchNormalization(name=f"{name}_batch_norm", dtype=self.policy)(x)
        return keras.layers.Activation(self.knobs.activation, name=f"{name}_activation", dtype=self.policy)(x)

    def _initializer(self, activation: str, name: str) -> keras.initializers.Initializer:
        chosen = self.knobs.kernel_initializer
        return seeded_initializer(
            auto_initializer(activation) if chosen == "auto" else chosen, seed_for(self.seed, "kernel", name)
        )

    def _regularizer(self) -> keras.regularizers.Regularizer | None:
        l1, l2 = self.knobs.l1, self.knobs.l2
        return keras.regularizers.L1L2(l1, l2) if l1 or l2 else None


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
