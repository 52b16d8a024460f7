"""Saves a network and loads it again, to see whether it survives."""

import tempfile
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np

from pipeline.diagnosis.before.seen import Reloaded


def reload(model: keras.Model, x: Any) -> Reloaded:
    """Saves a network to a temporary `.keras` file, loads it without its loss, and compares the answers.

    Args:
        model: Built.
        x: Examples to compare the answers on.
    """
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder, "network.keras")
        try:
            model.save(path)
            loaded = keras.saving.load_model(path, compile=False)
        # Whatever the code of a layer raises is what the user would meet after the training.
        except Exception as error:
            return Reloaded(_one_line(error), _unloadable(model))
        before, after = (keras.tree.flatten(each(x, training=False)) for each in (model, loaded))
    return Reloaded(difference=max(_difference(*pair) for pair in zip(before, after, strict=True)))


def _difference(before: Any, after: Any) -> float:
    a, b = (np.asarray(each, "float64") for each in (before, after))
    scale = np.abs(a[np.isfinite(a)]).max(initial=1e-9)
    return float(np.abs(np.nan_to_num(a) - np.nan_to_num(b)).max(initial=0.0) / scale)


def _one_line(error: Exception) -> str:
    words = " ".join(str(error).split())
    sentence = words.split(". ")[0].rstrip(".")
    return f"{type(error).__name__}: {sentence[:200]}."


def _unloadable(model: keras.Model) -> tuple[str, ...]:
    """Layers that Keras cannot find again: Lambdas, and classes of one's own that are not registered."""
    return tuple(
        layer.name
        for layer in model._flatten_layers(include_self=False)
        if isinstance(layer, keras.layers.Lambda) or not _is_known(type(layer))
    )


def _is_known(cls: type) -> bool:
    return cls.__module__.split(".")[0] == "keras" or ">" in keras.saving.get_registered_name(cls)
