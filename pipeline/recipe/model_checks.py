"""Combinations of the `model` section that cannot work, or would not do what they say."""

from collections.abc import Iterator, Mapping
from typing import Any

from models.config import CustomConfig, LayersConfig, ModelConfig, TabularConfig, TextConfig
from models.entry import source_files
from models.errors import ModelError
from models.knobs import Initializers, Knobs, ModelSection
from pipeline.recipe.errors import Problem
from pipeline.recipe.keras_names import check_identifier, check_name, check_object

MODEL_KINDS = {
    **dict.fromkeys(("cnn", "resnet", "convnext", "transfer"), "image"),
    "text": "text",
    "tabular": "table",
}
"""Kind of data of model families that take one kind only."""

OF_ENCODERS = {
    "filters": ("conv1d",),
    "kernel_size": ("conv1d",),
    "recurrent_units": ("bilstm", "bigru"),
    **dict.fromkeys(("blocks", "num_heads", "expansion", "stochastic_depth", "zero_gamma"), ("transformer",)),
}
"""Keys of `text` to the encoders that they change."""

OF_BACKBONES = {
    "units": ("mlp",),
    **dict.fromkeys(("width", "blocks", "expansion", "stochastic_depth", "zero_gamma"), ("resnet",)),
}
"""Keys of `tabular` to the backbones that they change."""


def check_model(section: ModelConfig, kind: str | None, *, has_categories: bool | None = None) -> Iterator[Problem]:
    """Finds every impossible combination within the section, and with the kind of data.

    Args:
        section: The recipe's `model` section, its keys valid one by one.
        kind: Kind of the data: image, table or text; None while it is not known.
        has_categories: Whether a table has columns of categories; None while it is not known.
    """
    if isinstance(section, LayersConfig):
        yield from _layers(section)
        return
    if isinstance(section, CustomConfig):
        yield from _custom(section)
        return
    yield from _initializers(section, kind)
    yield from _normalization(section)
    yield from _regularization(section, section.type, kind)
    if isinstance(section, TextConfig):
        yield from _without_effect(section, "encoder", OF_ENCODERS)
        yield from _heads(section)
    if isinstance(section, TabularConfig):
        yield from _without_effect(section, "backbone", OF_BACKBONES)
        if has_categories is False:
            yield from _embeddings(section)


def _layers(section: LayersConfig) -> Iterator[Problem]:
    for i, layer in enumerate(section.layers):
        yield from _layer(f"model.layers.{i}", layer)
    yield from _own_output(section)


def _custom(section: CustomConfig) -> Iterator[Problem]:
    try:
        source_files(section.entry, section.folder)
    except ModelError as error:
        key, _, message = str(error).partition(": ")
        yield Problem(key, message)
    yield from _own_output(section)


def _own_output(section: LayersConfig | CustomConfig) -> Iterator[Problem]:
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


def _initializers(section: Knobs, kind: str | None) -> Iterator[Problem]:
    """Activation and initialisers exist, and there are layers for them."""
    yield from check_name("activations", "model.activation", section.activation)
    if section.kernel_initializer != "auto":
        yield from check_identifier("initializers", "model.kernel_initializer", section.kernel_initializer)
    present = section.layer_kinds(kind)
    for name in Initializers.model_fields:
        given = getattr(section.initializers, name)
        if given == "auto":
            continue
        key = f"model.initializers.{name}"
        yield from check_identifier("initializers", key, given)
        if name not in present:
            yield Problem(key, f"has no effect: this network has no such layers, but {', '.join(sorted(present))}")
    if not section.has_hidden_layers() and _changed(section, "activation"):
        yield Problem("model.activation", "has no effect: no layer is followed by it; remove it, or set `units`")


def _normalization(section: Knobs) -> Iterator[Problem]:
    """`normalization` and its short form agree, and the network has something to normalise in that way."""
    chosen, short, key = section.normalization, section.batch_norm, "model.normalization"
    if (short and chosen not in ("auto", "batch")) or (short is False and chosen == "batch"):
        yield Problem(key, f"contradicts `batch_norm: {str(short).lower()}`. Received: {chosen!r}. Keep one of the two")
        return
    kind = section.normalized_by()
    key = "model.batch_norm" if short is not None and chosen == "auto" else key
    if kind != "none" and not section.has_hidden_layers():
        yield Problem(key, "has no effect: there is no layer to normalise; remove it, or set `units`")
    elif kind == "group" and "conv" not in section.layer_kinds(None):
        yield Problem(key, "groups are of the channels of convolutions, and there are none; use layer")
    elif kind == "batch" and isinstance(section, TextConfig) and section.encoder == "transformer":
        yield Problem(key, "expected layer or none with `encoder: transformer`, as padding would enter the statistics")
    if kind != "group" and _changed(section, "norm_groups"):
        yield Problem("model.norm_groups", f"has no effect with {kind} normalisation; remove it, or use group")


def _regularization(section: Knobs, family: str, kind: str | None) -> Iterator[Problem]:
    """Kinds of dropout, penalties and noise fit the network and do something."""
    key, dropout = "model.dropout_type", section.dropout_type
    if dropout != "plain" and not section.dropout:
        yield Problem(key, "has no effect with `dropout: 0`; remove it, or set `dropout`")
    if dropout == "alpha" and section.activation != "selu":
        yield Problem(
            key,
            "expected `activation: selu` with alpha, which keeps its mean and variance. "
            f"Received: {section.activation!r}",
        )
    if dropout == "spatial" and MODEL_KINDS.get(family) != "image":
        yield Problem(key, f"spatial drops whole feature maps of images; `{family}` has none. Use plain")
    if section.penalize and not (section.l1 or section.l2):
        yield Problem("model.penalize", "has no effect with neither `l1` nor `l2`; remove it, or set one of them")
    if "norm" in section.penalize and section.normalized_by() == "none":
        yield Problem("model.penalize", "`norm` has no effect, as there is no normalisation; remove it")
    if section.input_noise and kind == "text":
        yield Problem("model.input_noise", "adds noise to images and numbers; tokens are neither. Remove it")


def _embeddings(section: TabularConfig) -> Iterator[Problem]:
    """Embeddings are of categories."""
    given = {
        "embedding_dim": _changed(section, "embedding_dim"),
        "initializers.embedding": section.initializers.embedding != "auto",
    }
    for key in (key for key, is_given in given.items() if is_given):
        yield Problem(f"model.{key}", "has no effect, as this table has no categories; remove it")


def _heads(section: TextConfig) -> Iterator[Problem]:
    if section.encoder == "transformer" and section.embedding_dim % section.num_heads:
        yield Problem(
            "model.num_heads",
            f"expected a divisor of model.embedding_dim ({section.embedding_dim}). Received: {section.num_heads}",
        )


def _without_effect(
    section: ModelSection, variant: str, of_variants: Mapping[str, tuple[str, ...]]
) -> Iterator[Problem]:
    """Keys that were changed and that the chosen variant keeps from doing anything."""
    chosen = getattr(section, variant)
    for key, variants in of_variants.items():
        if chosen not in variants and _changed(section, key):
            instead = " or ".join(variants)
            yield Problem(f"model.{key}", f"has no effect with `{variant}: {chosen}`; remove it, or use {instead}")


def _changed(section: ModelSection, key: str) -> bool:
    """Whether a key has another value than by default."""
    return bool(getattr(section, key) != type(section).model_fields[key].default)
