"""The techniques that every family of models takes, applied here and nowhere else.

Initialisers, penalties, constraints, normalisation, dropout, the seed of each layer and its dtype policy. Nothing
depends on Keras's global generator, its global dtype policy or its counters of names.
"""

import math
from dataclasses import dataclass
from typing import Any

import keras

from models.errors import ModelError
from models.initializers import auto_initializer, seeded_initializer
from models.knobs import Knobs
from models.priors import prior_bias
from models.seeds import seed_for
from models.spec import OUTPUT_ACTIVATIONS, OutputSpec

AUTO = {"recurrent": "orthogonal", "embedding": "random_uniform"}
"""Initialiser of layers that `kernel_initializer` is not for."""


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
        """Dense layer, normalisation, activation: `(batch, n)` to `(batch, units)`."""
        x = self.project(x, units, name, activation=self.knobs.activation, normalized=True)
        return self._normalize_and_activate(x, name)

    def conv(self, x: keras.KerasTensor, filters: int, kernel_size: int, name: str) -> keras.KerasTensor:
        """Convolution that keeps the size, normalisation, activation.

        `(batch, height, width, n)` to `(batch, height, width, filters)`, or `(batch, length, n)` to
        `(batch, length, filters)`.
        """
        return self._normalize_and_activate(self.convolve(x, filters, kernel_size, name, normalized=True), name)

    def project(
        self,
        x: keras.KerasTensor,
        units: int,
        name: str,
        *,
        activation: str = "linear",
        normalized: bool = False,
        zero: bool = False,
    ) -> keras.KerasTensor:
        """Dense layer alone: `(..., n)` to `(..., units)`.

        Args:
            x: Features.
            units: Width.
            name: Name of the layer.
            activation: The one that follows, by which `auto` chooses the initialiser.
            normalized: Whether the model's normalisation comes next.
            zero: Whether the kernel starts at zero.
        """
        kernel = self._kernel("dense", name, activation=activation, zero=zero, inputs=(0,))
        return keras.layers.Dense(units, use_bias=self._has_bias(normalized), name=name, **kernel)(x)

    def convolve(
        self,
        x: keras.KerasTensor,
        filters: int,
        kernel_size: int,
        name: str,
        *,
        strides: int = 1,
        normalized: bool = False,
        zero: bool = False,
    ) -> keras.KerasTensor:
        """Convolution alone, padded so that only `strides` changes the size; over images or sequences.

        Args:
            x: Features.
            filters: Channels to give.
            kernel_size: Side of the window.
            name: Name of the layer.
            strides: Steps of the window.
            normalized: Whether the model's normalisation comes next.
            zero: Whether the kernel starts at zero.
        """
        convolution = keras.layers.Conv1D if len(x.shape) == 3 else keras.layers.Conv2D
        window = tuple(range(len(x.shape) - 1))
        kernel = self._kernel("conv", name, activation=self.knobs.activation, zero=zero, inputs=window)
        layer = convolution(
            filters,
            kernel_size,
            strides=strides,
            padding="same",
            use_bias=self._has_bias(normalized),
            name=name,
            **kernel,
        )
        return layer(x)

    def depthwise(self, x: keras.KerasTensor, kernel_size: int, name: str) -> keras.KerasTensor:
        """Convolution of each channel by itself, then the model's normalisation comes; keeps the shape of an image."""
        kernel = self._kernel("conv", name, activation="linear", inputs=(0, 1))
        own = {key.replace("kernel_", "depthwise_"): value for key, value in kernel.items()}
        layer = keras.layers.DepthwiseConv2D(
            kernel_size, padding="same", use_bias=self._has_bias(True), name=name, **own
        )
        return layer(x)

    def normalize(self, x: keras.KerasTensor, name: str) -> keras.KerasTensor:
        """The model's normalisation, or nothing; the channels are the last axis."""
        kind = self.knobs.normalized_by()
        if kind == "none":
            return x
        penalty = self._regularizer() if "norm" in self.knobs.penalize else None
        common = {
            "name": f"{name}_{kind}_norm",
            "gamma_regularizer": penalty,
            "beta_regularizer": penalty,
            "dtype": self.policy,
        }
        if kind == "batch":
            return keras.layers.BatchNormalization(**common)(x)
        if kind == "layer":
            return keras.layers.LayerNormalization(**common)(x)
        # A group of a dense layer would be a handful of values, or one alone, that its own statistics wipe out.
        num_groups = math.gcd(self.knobs.norm_groups, x.shape[-1]) if len(x.shape) > 2 else 1
        return keras.layers.GroupNormalization(num_groups, **common)(x)

    def activate(self, x: keras.KerasTensor, name: str) -> keras.KerasTensor:
        """The model's activation."""
        return keras.layers.Activation(self.knobs.activation, name=f"{name}_activation", dtype=self.policy)(x)

    def dropout(self, x: keras.KerasTensor, name: str) -> keras.KerasTensor:
        """The model's kind of dropout at the model's rate."""
        if not self.knobs.dropout:
            return x
        kinds = {
            "plain": keras.layers.Dropout,
            "spatial": keras.layers.SpatialDropout2D if len(x.shape) == 4 else keras.layers.Dropout,
            "gaussian": keras.layers.GaussianDropout,
            "alpha": keras.layers.AlphaDropout,
        }
        seed = seed_for(self.seed, "dropout", name)
        return kinds[self.knobs.dropout_type](self.knobs.dropout, seed=seed, name=name, dtype=self.policy)(x)

    def residual(
        self, x: keras.KerasTensor, branch: keras.KerasTensor, name: str, *, drop_rate: float = 0.0
    ) -> keras.KerasTensor:
        """Adds a branch to what it branched off from.

        Args:
            x: What goes on unchanged.
            branch: Of the same shape.
            name: Name of the block.
            drop_rate: Share of examples of a training step that the branch is left out for; the others' is scaled up so
                that the mean stays.
        """
        if drop_rate:
            branch = keras.layers.Dropout(
                drop_rate,
                noise_shape=(None, *(1 for _ in branch.shape[1:])),
                seed=seed_for(self.seed, "stochastic_depth", name),
                name=f"{name}_stochastic_depth",
                dtype=self.policy,
            )(branch)
        return keras.layers.Add(name=f"{name}_add", dtype=self.policy)([x, branch])

    def embedding(self, size: int, dim: int, *, mask: bool) -> keras.layers.Embedding:
        """Layer that embeds token indices: int32 `(batch, length)` to `(batch, length, dim)`.

        Args:
            size: Number of indices; 0 is padding.
            dim: Size of an embedding.
            mask: Whether later layers ignore padding.
        """
        return keras.layers.Embedding(
            size,
            dim,
            embeddings_initializer=self.embeddings_initializer("embeddings"),
            mask_zero=mask,
            name="embedding",
            dtype=self.policy,
        )

    def embeddings_initializer(self, *purpose: str) -> keras.initializers.Initializer:
        """The initialiser of embeddings, seeded for one purpose."""
        return seeded_initializer(self._chosen("embedding", "linear"), seed_for(self.seed, *purpose))

    def bidirectional(
        self, layer: type[keras.layers.RNN], units: int, name: str, *, return_sequences: bool
    ) -> keras.layers.Bidirectional:
        """Recurrent layer that reads in both directions, which start differently.

        Args:
            layer: Keras's LSTM or GRU.
            units: In each direction.
            name: Name of the layer.
            return_sequences: Whether it gives the states at all steps, `(batch, length, 2 * units)`, or the last ones,
                `(batch, 2 * units)`.
        """
        forward, backward = (
            layer(
                units,
                return_sequences=return_sequences,
                go_backwards=direction == "backward",
                recurrent_regularizer=self._regularizer(),
                recurrent_constraint=self._constraint((0,)),
                recurrent_initializer=self._initializer("recurrent", f"{name}_{direction}_recurrent", "tanh"),
                name=direction,
                **self._kernel("dense", f"{name}_{direction}", activation="tanh", inputs=(0,)),
            )
            for direction in ("forward", "backward")
        )
        return keras.layers.Bidirectional(forward, backward_layer=backward, name=name, dtype=self.policy)

    def input_noise(self, features: dict[str, keras.KerasTensor]) -> dict[str, keras.KerasTensor]:
        """Adds the model's noise to images and numbers; tokens and categories have no scale to add it on.

        Raises:
            ModelError: If there is nothing to add noise to.
        """
        if not self.knobs.input_noise:
            return features
        noisy = {
            name: keras.layers.GaussianNoise(
                self.knobs.input_noise, seed=seed_for(self.seed, "noise", name), name=f"{name}_noise", dtype="float32"
            )(x)
            for name, x in features.items()
            if name in ("image", "numbers")
        }
        if not noisy:
            raise ModelError(
                "model.input_noise: expected images or numbers to add noise to. Received: "
                f"{' and '.join(features)}. Remove it"
            )
        return {**features, **noisy}

    def output(self, x: keras.KerasTensor, spec: OutputSpec, activation: str = "auto") -> keras.KerasTensor:
        """Output layer, in float32 whatever the policy: `(batch, n)` to `(batch, num_outputs)`.

        Args:
            x: Features.
            spec: The task, which decides the activation.
            activation: `auto`, or the activation of the task.

        Raises:
            ModelError: If the activation is not the task's, or the bias needs priors and there are none.
        """
        expected = OUTPUT_ACTIVATIONS[spec.task]
        if activation not in ("auto", expected):
            raise ModelError(
                f"model.output_activation: expected auto or {expected} for a {spec.task} task. Received: {activation}"
            )
        kernel = self._kernel("output", "output", activation=expected, inputs=(0,))
        layer = keras.layers.Dense(
            spec.num_outputs, activation=expected, name="output", **{**kernel, "dtype": "float32"}
        )
        outputs = layer(x)
        if self.knobs.output_bias == "priors":
            if spec.priors is None:
                raise ModelError("model.output_bias: priors needs the labels of the training split")
            layer.bias.assign(prior_bias(spec.priors, spec.task))
        return outputs

    def _normalize_and_activate(self, x: keras.KerasTensor, name: str) -> keras.KerasTensor:
        return self.activate(self.normalize(x, name), name)

    def _has_bias(self, normalized: bool) -> bool:
        """Batch normalisation subtracts any bias before it, and has one of its own."""
        return not normalized or self.knobs.normalized_by() != "batch"

    def _kernel(
        self, kind: str, name: str, *, activation: str, inputs: tuple[int, ...], zero: bool = False
    ) -> dict[str, Any]:
        """Arguments of a layer with a kernel; `inputs` are the kernel's axes over what enters one unit."""
        return {
            "kernel_initializer": "zeros" if zero else self._initializer(kind, name, activation),
            "kernel_regularizer": self._regularizer(),
            "kernel_constraint": self._constraint(inputs),
            "bias_regularizer": self._regularizer() if "bias" in self.knobs.penalize else None,
            "dtype": self.policy,
        }

    def _initializer(self, kind: str, name: str, activation: str) -> keras.initializers.Initializer:
        return seeded_initializer(self._chosen(kind, activation), seed_for(self.seed, "kernel", name))

    def _chosen(self, kind: str, activation: str) -> Any:
        """The initialiser of a kind of layer, as the recipe gives it."""
        own = getattr(self.knobs.initializers, kind)
        if own != "auto":
            return own
        if kind in AUTO:
            return AUTO[kind]
        chosen = self.knobs.kernel_initializer
        return auto_initializer(activation) if chosen == "auto" else chosen

    def _regularizer(self) -> keras.regularizers.Regularizer | None:
        l1, l2 = self.knobs.l1, self.knobs.l2
        return keras.regularizers.L1L2(l1, l2) if l1 or l2 else None

    def _constraint(self, inputs: tuple[int, ...]) -> keras.constraints.Constraint | None:
        return keras.constraints.MaxNorm(self.knobs.max_norm, axis=list(inputs)) if self.knobs.max_norm else None
