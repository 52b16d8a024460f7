"""Combinations of the `model` section that cannot work, or would not do what they say."""

from collections.abc import Iterator
from typing import Any

from models.config import LayersConfig, ModelConfig, TextConfig
from pipeline.recipe.errors import Problem
from pipeline.recipe.keras_names import check_identifier, check_name, check_object

MODEL_KINDS = {"cnn": "image", "text": "text"}
"""Kind of data of model families that take one kind only."""


def check_model(section: ModelConfig, kind: str | None) -> Iterator[Problem]:
    """Finds every impossible combination within the section.

    Args:
        section: The recipe's `model` section, its keys valid one by one.
        kind: Kind of the data: image, table or text; None while it is not known.
    """
    if isinstance(section, LayersConfig):
        yield from _layers(section)
        return
    yield from check_name("activations", "model.activation", section.activation)
    if section.kernel_initializer != "auto":
        yield from check_identifier("initializers", "model.kernel_initializer", section.kernel_initializer)
    if isinstance(section, TextConfig):
        yield from _text(section)


def _layers(section: LayersConfig) -> Iterator[Problem]:
    for i, layer in enumerate(section.layers):
        yield from _layer(f"model.layers.{i}", layer)
    if not section.add_output and section.output_activation != "auto":
        yield Problem(
            "model.output_activation", "has no effect with `add_output: false`; give the last layer its activation"
        )


def _layer(key: str, layer: dict[str, Any]) -> Iterator[Problem]:
    if not isinstance(layer.get("type"), str):
        yield Problem(key, "expected a Keras layer, such as {type: Dense, units: 64}. It has no `type`")
        return
    yield from check_object("layers", key, layer["type"], set(layer) - {"type"})
    for name, value in layer.items():
        if name.endswith("initializer") and value is not None:
            yield from check_identifier("initializers", f"{key}.{name}", value)
        elif name.endswith("regularizer") and value is not None:
            yield from check_identifier("regularizers", f"{key}.{name}", value)
        elif name == "activation" and isinstance(value, str):
            yield from check_name("activations", f"{key}.activation", value)


def _text(section: TextConfig) -> Iterator[Problem]:
    """Keys that were changed and that the encoder keeps from doing anything."""
    if section.encoder != "pooling":
        return
    defaults = TextConfig(type="text")
    for key in ("filters", "kernel_size"):
        if getattr(section, key) != getattr(defaults, key):
            yield Problem(f"model.{key}", "has no effect with `encoder: pooling`; remove it, or use conv1d")
