"""Loads the pretrained part of a network and checks that it takes the recipe's images."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from models.config import TransferConfig
from models.errors import ModelError
from models.pretrained import ApplicationInput, application_module
from models.transfer import truncate
from pipeline.errors import UserError
from pipeline.serving.compose import load_model

PATIENCE_SECS = 10.0
"""How long a server of weights may be silent before the download is given up."""


class Base(NamedTuple):
    """What is taken of a source."""

    network: keras.Model
    """An image, or a dict of it, -> features, `(batch, n)`."""
    takes_prepared: bool
    """Whether it brings its own normalisation: pixels in [0, 255] go in; else what this recipe's `normalize` gives."""
    left_out: tuple[str, ...]
    """Layers of the source that are not taken."""


def load_base(config: TransferConfig, path: Path | None, shape: tuple[int, ...]) -> Base:
    """Loads what a recipe takes of its source.

    Args:
        config: The recipe's `model` section.
        path: What `find_source` found.
        shape: Height, width and channels of the prepared images.

    Raises:
        UserError: If the source cannot be loaded under Keras's safe mode or takes other images.
    """
    if config.application:
        return _application(config, config.application, path, shape)
    assert path is not None
    source = _network(path)
    base = _truncated(source, config.until)
    _check_shape(source, shape)
    own = any(layer.name == "normalize" for layer in source.layers)
    return Base(base, own, _left_out(source, base))


def require_unit(normalize: keras.Model, shape: tuple[int, ...], source: str) -> None:
    """Refuses a normalisation that would go unused beside a source that brings its own; `unit` is what `auto` means.

    Args:
        normalize: Prepared images -> what this recipe's own network would see.
        shape: Height, width and channels of the prepared images.
        source: The recipe's `model.source`.

    Raises:
        UserError: If black is not 0 or white is not 1.
    """
    ends = np.stack([np.full(shape, value, np.float32) for value in (0, 255)])
    seen = np.asarray(normalize({"image": ends})["image"])
    if not np.allclose(seen, ends / 255):
        raise UserError(
            f"preprocess.normalize: has no effect with `model.source: {source}`, which brings its own normalisation; "
            "remove it"
        )


def _network(path: Path) -> keras.Model:
    """The network of a file: the inner one of a model as it is registered."""
    try:
        model = load_model(path)
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"model.source: Keras cannot load {path} under its safe mode: {reason}") from error
    names = [layer.name for layer in model.layers]
    return model.get_layer("network") if names[-2:] == ["prepare", "network"] else model


def _truncated(source: keras.Model, until: str | None) -> keras.Model:
    try:
        return truncate(source, until)
    except ModelError as error:
        raise UserError(str(error)) from error


def _check_shape(source: keras.Model, shape: tuple[int, ...]) -> None:
    tensors = source.inputs
    expected = tuple(tensors[0].shape[1:])
    fits = len(expected) == len(shape) and all(own in (None, size) for own, size in zip(expected, shape, strict=False))
    if len(tensors) != 1 or (isinstance(source.input, dict) and "image" not in source.input) or not fits:
        received = "×".join(map(str, shape))
        raise UserError(
            f"model.source: the source takes {', '.join(f'{t.name} {t.shape[1:]}' for t in tensors)}; this recipe's "
            f"images are {received}. Set preprocess.size and preprocess.channels, or take another source"
        )


def _left_out(source: keras.Model, base: keras.Model) -> tuple[str, ...]:
    taken = {layer.name for layer in base.layers}
    return tuple(layer.name for layer in source.layers if layer.name not in taken)


def _application(config: TransferConfig, name: str, path: Path | None, shape: tuple[int, ...]) -> Base:
    weights = str(path) if path else config.weights or "imagenet"
    try:
        build = getattr(application_module(name), name)
    except ValueError as error:
        raise UserError(f"model.source: {error}") from error
    if shape[-1] != 3:
        raise UserError(f"model.source: {name} takes images in colour. Set preprocess.channels: 3")
    try:
        with _impatient():
            source = build(include_top=False, weights=weights, input_shape=shape)
    except ValueError as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"model.source: {name} refuses images of {shape} or its weights {weights}: {reason}") from error
    except Exception as error:
        # Keras raises a bare Exception where a download fails.
        reason = " ".join(str(error).split())[:300]
        raise UserError(
            f"model.weights: {name} has no weights {weights} here, and they could not be downloaded: {reason}. "
            "Give a local file of weights without top"
        ) from error
    features = _truncated(source, config.until or source.layers[-1].name)
    image = keras.Input(shape, name="image")
    scaled = ApplicationInput(name, name="application_input", dtype="float32")(image)
    return Base(keras.Model({"image": image}, features(scaled), name="base"), True, _left_out(source, features))


@contextlib.contextmanager
def _impatient() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE_SECS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
