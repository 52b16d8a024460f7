"""Networks written out in the recipe as a list of Keras layers."""

from collections.abc import Callable
from typing import Any

import keras

from models.blocks import Blocks
from models.config import LayersConfig
from models.errors import ModelError
from models.features import Features, table_features
from models.initializers import keras_identifier, with_seeds
from models.keras_api import keras_api
from models.seeds import seed_for
from models.spec import InputSpec

NESTED: dict[str, Callable[[Any], Any]] = {
    "initializer": keras.initializers.get,
    "regularizer": keras.regularizers.get,
    "constraint": keras.constraints.get,
}
"""How an argument's name ends, to what builds it from `{type: name, argument: value}`."""


def build_layers(config: LayersConfig, features: Features, inputs: InputSpec, blocks: Blocks) -> keras.KerasTensor:
    """Builds the layers of the list, one after the other.

    Every layer is named, seeded and given the dtype policy here, unless the recipe does so.

    Args:
        config: The list.
        features: What `normalize` gives: the first layer takes the image, the tokens, or the numbers of a table beside
            the one-hot codes of its categories.
        inputs: Kind and sizes of the data.
        blocks: Seed and policy of the model.

    Returns:
        Output of the last layer.

    Raises:
        ModelError: If Keras refuses a layer, with its place in the list.
    """
    x = table_features(features, inputs, blocks) if inputs.kind == "table" else next(iter(features.values()))
    last = len(config.layers) - 1
    for i, given in enumerate(config.layers):
        is_output = i == last and not config.add_output
        own = {"name": "output", "dtype": "float32"} if is_output else {"dtype": blocks.policy}
        try:
            x = _layer({**own, **given}, seed_for(blocks.seed, "layers", i), default_name=f"layer_{i}")(x)
        except (TypeError, ValueError, KeyError) as error:
            reason = " ".join(str(error).split())
            raise ModelError(f"model.layers.{i}: Keras refuses {given.get('type')}: {reason}") from error
    return x


def _layer(given: dict[str, Any], seed: int, default_name: str) -> keras.Layer:
    kind, arguments = keras_identifier(given)
    if kind not in keras_api()["layers"] or kind == "Lambda":
        raise ValueError("it is no layer of Keras that can be saved and loaded again")
    found = getattr(keras.layers, kind)
    if kind == "Bidirectional" and isinstance(arguments.get("layer"), dict):
        # Keras would copy the seeds of the forward layer, and both directions would start alike.
        arguments.setdefault("backward_layer", {**arguments["layer"], "go_backwards": True})
    built = {name: _argument(name, value, arguments["dtype"], seed) for name, value in arguments.items()}
    layer = found(**{"name": f"{default_name}_{kind.lower()}", **built})
    return found.from_config(with_seeds(layer.get_config(), seed))


def _argument(name: str, value: Any, policy: str, seed: int) -> Any:
    """Builds an argument that is itself a Keras object; others are as they are."""
    if not (isinstance(value, dict) and "type" in value):
        return value
    if name.endswith("layer"):
        return _layer({"dtype": policy, **value}, seed_for(seed, name), default_name=name)
    kind, arguments = keras_identifier(value)
    for ending, get in NESTED.items():
        if name.endswith(ending):
            return get({"class_name": kind, "config": arguments})
    return value
