"""Changes a compiled Keras model as recipe overrides say, where the network is not one of our recipes."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from models.initializers import auto_initializer, with_seeds
from models.seeds import seed_for
from pipeline.diagnosis.anatomy import activation_of, has_kernel
from pipeline.errors import UserError

Overrides = Mapping[str, Any]

APPLIED = (
    *("model.activation", "model.kernel_initializer", "model.output_activation", "model.normalization"),
    *("model.units", "model.dropout", "model.l2", "preprocess.normalize"),
    *("train.optimizer.type", "train.optimizer.learning_rate", "train.clip.global_norm"),
)
"""Recipe keys that `changed` knows; how long to train is for the caller."""

ACTIVATION_LAYERS = (keras.layers.Activation, keras.layers.ReLU, keras.layers.LeakyReLU, keras.layers.ELU)


def changed(model: keras.Model, overrides: Overrides, *, seed: int, features: np.ndarray) -> keras.Model:
    """Builds a new model like `model` with changes, with fresh weights, and compiles it alike.

    Args:
        model: Sequential or functional; compiled.
        overrides: Recipe keys with their values; those not in `APPLIED` change nothing here.
        seed: Of the fresh weights, for all initialisers.
        features: Training examples, to fit a normalisation on.

    Raises:
        UserError: If the model is subclassed: its layers cannot be exchanged.
    """
    if type(model).__name__ not in ("Sequential", "Functional"):
        raise UserError(f"{model.name}: expected a sequential or functional model; a subclassed one cannot be changed")
    plan = _Plan(model, overrides, seed)
    copy = keras.models.clone_model(model, clone_function=plan.clone)
    if overrides.get("preprocess.normalize") == "standard":
        copy = _standardised(copy, features)
    configuration = model.get_compile_config()
    configuration["optimizer"] = _optimizer(model.optimizer, overrides)
    copy.compile_from_config(configuration)
    return copy


class _Plan:
    """What becomes of each layer."""

    def __init__(self, model: keras.Model, overrides: Overrides, seed: int):
        self._overrides, self._seed, self._place = overrides, seed, 0
        layers = model.layers
        kernels = [layer for layer in layers if has_kernel(layer)]
        self._output = kernels[-1] if kernels else None
        self._last = layers[layers.index(self._output) :] if self._output else []
        hidden = [layer for layer in layers if layer not in self._last]
        self._linear = all(activation_of(layer) == "linear" for layer in hidden)
        self._wanted = overrides.get("model.activation")
        self._output_activation = _proper_output(model) if overrides.get("model.output_activation") else None

    def clone(self, layer: keras.Layer) -> keras.Layer:
        """One layer anew, with what comes with it."""
        self._place += 1
        config = layer.get_config()
        is_output = any(layer is each for each in self._last)
        if isinstance(layer, ACTIVATION_LAYERS):
            return self._activation(layer, config, is_output)
        if not has_kernel(layer):
            return type(layer).from_config(with_seeds(config, self._seed, self._place))
        return self._kernel(layer, config, is_output)

    def _activation(self, layer: keras.Layer, config: dict[str, Any], is_output: bool) -> keras.Layer:
        wanted = self._output_activation if is_output else self._wanted
        if wanted is None:
            return type(layer).from_config(config)
        return keras.layers.Activation(wanted, name=layer.name)

    def _kernel(self, layer: keras.Layer, config: dict[str, Any], is_output: bool) -> keras.Layer:
        has_activation = "activation" in config
        if has_activation and not is_output and self._wanted and (self._linear or config["activation"] != "linear"):
            config["activation"] = self._wanted
        if has_activation and is_output and self._output_activation:
            alone = self._last[-1] is layer
            config["activation"] = self._output_activation if alone else "linear"
        if self._overrides.get("model.kernel_initializer"):
            self._initialize(config, is_output)
        if self._overrides.get("model.l2"):
            penalty = keras.regularizers.L2(self._overrides["model.l2"])
            config["kernel_regularizer"] = keras.regularizers.serialize(penalty)
        if self._overrides.get("model.units") and not is_output and "units" in config:
            config["units"] = self._overrides["model.units"]
        fresh = type(layer).from_config(_reseeded(config, self._seed, self._place))
        return fresh if is_output else self._followed(fresh)

    def _initialize(self, config: dict[str, Any], is_output: bool) -> None:
        name = self._overrides["model.kernel_initializer"]
        if name == "auto" or is_output:
            name = "glorot_uniform" if is_output else auto_initializer(self._wanted or _name(config.get("activation")))
        for key, value in (("kernel_initializer", name), ("bias_initializer", "zeros")):
            if key in config:
                config[key] = keras.initializers.serialize(keras.initializers.get(value))

    def _followed(self, layer: keras.Layer) -> keras.Layer:
        """A hidden layer with the normalisation and the dropout that are to follow it."""
        parts, activation = [layer], activation_of(layer)
        if self._overrides.get("model.normalization") == "batch":
            parts.append(keras.layers.BatchNormalization())
            if activation != "linear":
                layer.activation = keras.activations.linear
                parts.append(keras.layers.Activation(activation))
        if rate := self._overrides.get("model.dropout"):
            parts.append(keras.layers.Dropout(rate, seed=seed_for(self._seed, "dropout", self._place)))
        return keras.Sequential(parts, name=f"{layer.name}_block") if len(parts) > 1 else layer


def _reseeded(config: dict[str, Any], seed: int, place: int) -> dict[str, Any]:
    """A layer's config whose initialisers draw anew."""
    fresh = dict(config)
    for key, value in config.items():
        if key.endswith("_initializer") and isinstance(value, dict) and "seed" in value.get("config", {}):
            fresh[key] = {**value, "config": {**value["config"], "seed": seed_for(seed, place, key)}}
    return fresh


def _name(activation: Any) -> str:
    return activation if isinstance(activation, str) else "linear"


def _proper_output(model: keras.Model) -> str:
    """The activation that the loss takes."""
    loss = keras.losses.get(model.loss)
    name = getattr(loss, "__name__", getattr(loss, "name", ""))
    if getattr(loss, "from_logits", False):
        return "linear"
    if "categorical" in name:
        return "softmax"
    return "sigmoid" if "binary" in name else "linear"


def _optimizer(optimizer: keras.optimizers.Optimizer, overrides: Overrides) -> Any:
    kind, rate = overrides.get("train.optimizer.type"), overrides.get("train.optimizer.learning_rate")
    fresh = keras.optimizers.get(kind) if kind else type(optimizer).from_config(optimizer.get_config())
    config = fresh.get_config()
    config |= {"learning_rate": rate} if rate else {}
    config |= {"global_clipnorm": overrides["train.clip.global_norm"]} if "train.clip.global_norm" in overrides else {}
    return keras.optimizers.serialize(type(fresh).from_config(config))


def _standardised(model: keras.Model, features: np.ndarray) -> keras.Model:
    normalization = keras.layers.Normalization()
    normalization.adapt(features)
    inputs = keras.Input(features.shape[1:])
    return keras.Model(inputs, model(normalization(inputs)), name=model.name)
