"""Networks that a function of the user builds."""

import contextlib
import importlib
import random
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras

from models.blocks import Blocks
from models.config import CustomConfig
from models.entry import source_files, split_entry
from models.errors import ModelError
from models.features import Features, table_features
from models.hypermodel import build_hypermodel, is_hypermodel
from models.seeds import seed_for
from models.spec import InputSpec

REFERENCES = ("keras_history", "input_layers", "output_layers")
"""Keys of a Keras config under which layers are named first in a list."""


def build_custom(config: CustomConfig, features: Features, inputs: InputSpec, blocks: Blocks) -> keras.KerasTensor:
    """Calls the user's function and makes what it returns part of the network.

    Args:
        config: Which function, and its arguments.
        features: What `normalize` gives: the function takes the image, the tokens, or the numbers of a table beside the
            one-hot codes of its categories.
        inputs: Kind and sizes of the data.
        blocks: Seed and policy of the model.

    Returns:
        Output of the function's network.

    Raises:
        ModelError: If there is no such function, it fails, returns something else, or something that could not be
            loaded where the model is served.
    """
    x = table_features(features, inputs, blocks) if inputs.kind == "table" else next(iter(features.values()))
    function = load_function(config)
    with _seeded(seed_for(blocks.seed, "custom")), _policy(blocks.policy):
        network = _call(function, keras.Input(batch_shape=x.shape, dtype=x.dtype, name="features"), config)
        own = _rebuild(network, config.entry)
    own.set_weights(network.get_weights())
    return own(x)


def load_function(config: CustomConfig) -> Callable[..., Any]:
    """Imports the module of the user's function anew, so that what runs is what the cache has hashed.

    Raises:
        ModelError: If there is no such function.
    """
    module, name = split_entry(config.entry)
    for known in source_files(config.entry, config.folder):
        sys.modules.pop(known, None)
    importlib.invalidate_caches()
    path = [config.folder] if config.folder else []
    sys.path[:0] = path
    try:
        function: Any = getattr(importlib.import_module(module), name, None)
    except Exception as error:
        raise _failed(config, "cannot be imported", error) from error
    finally:
        for folder in path:
            sys.path.remove(folder)
    if not callable(function):
        raise ModelError(f"model.entry: expected a function in {module}. There is no `{name}`")
    found: Callable[..., Any] = function
    return found


def _call(function: Callable[..., Any], features: keras.KerasTensor, config: CustomConfig) -> keras.Model:
    """Whatever form the function gives it, a model that takes the features."""
    try:
        if is_hypermodel(function):
            given, _ = build_hypermodel(function, config.arguments)
        else:
            given = function(features, **config.arguments)
        outputs = given(features) if isinstance(given, keras.Model) else given
    except Exception as error:
        raise _failed(config, "failed", error) from error
    if not isinstance(outputs, keras.KerasTensor):
        raise ModelError(
            f"model.entry: expected {config.entry} to return a Keras model or a tensor made from its first argument. "
            f"Received: {type(given).__name__}"
        )
    return keras.Model(features, outputs, name="custom")


def _rebuild(network: keras.Model, entry: str) -> keras.Model:
    """The same network, named by place, and loaded as where it is served: in safe mode, with Keras's and our layers."""
    config = keras.saving.serialize_keras_object(network)
    names = {name: f"layer_{i}_{re.sub(r'_[0-9]+$', '', name)}" for i, name in enumerate(_automatic_names(config))}
    try:
        with _without_registered():
            return keras.saving.deserialize_keras_object(_renamed(config, names), safe_mode=True)
    except (TypeError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise ModelError(
            f"model.entry: {entry} gives a network that could not be loaded where it is served; build it of Keras's "
            f"own layers. Keras says: {reason}"
        ) from error


def _automatic_names(config: Any) -> Iterator[str]:
    """Names that Keras made from the class and a counter, which another network of the process would have otherwise."""
    if isinstance(config, list | tuple):
        for item in config:
            yield from _automatic_names(item)
    elif isinstance(config, dict):
        inner = config.get("config")
        if "class_name" in config and isinstance(inner, dict) and isinstance(inner.get("name"), str):
            folded = re.sub(r"_[0-9]+$", "", inner["name"]).replace("_", "")
            if folded == config["class_name"].lower():
                yield inner["name"]
        for item in config.values():
            yield from _automatic_names(item)


def _renamed(config: Any, names: dict[str, str], key: str = "") -> Any:
    """The config with layers renamed where they are named and where others refer to them."""
    if isinstance(config, dict):
        return {key: _renamed(value, names, key) for key, value in config.items()}
    if isinstance(config, list | tuple):
        if key in REFERENCES and config and isinstance(config[0], str):
            return [names.get(config[0], config[0]), *config[1:]]
        return [_renamed(item, names, key if key in REFERENCES else "") for item in config]
    return names.get(config, config) if key == "name" and isinstance(config, str) else config


def _failed(config: CustomConfig, what: str, error: Exception) -> ModelError:
    """Says where in the user's code, as only the message is shown."""
    own = {str(file) for file in source_files(config.entry, config.folder).values()}
    frames = traceback.extract_tb(error.__traceback__)
    frame = next((frame for frame in reversed(frames) if frame.filename in own), frames[-1])
    reason = " ".join(str(error).split())
    place = f"{Path(frame.filename).name}:{frame.lineno}"
    return ModelError(f"model.entry: {config.entry} {what}: {type(error).__name__}: {reason} ({place})")


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Lets Keras draw the seeds that the function leaves open from one of ours; Python's generator goes on as before.

    Filling them in the config would give layers inside a layer (attention, both directions) one seed.
    """
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


@contextlib.contextmanager
def _without_registered() -> Iterator[None]:
    """Hides what the user's code has registered with Keras, as it is not there where the model is served."""
    objects = keras.saving.get_custom_objects()
    hidden = {name: objects.pop(name) for name in list(objects) if not name.startswith("plumbline>")}
    try:
        yield
    finally:
        objects.update(hidden)


@contextlib.contextmanager
def _policy(name: str) -> Iterator[None]:
    """Makes a dtype policy the default while the function runs."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
