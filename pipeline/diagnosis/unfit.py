"""Whether a model can be looked at, and its loss computed from some labels, at all: asked before anything is."""

from typing import Any

import keras
import numpy as np

from pipeline.diagnosis.task import BINARY, CLASSES, VALUES, labels_problem, task_of
from pipeline.errors import UserError

Shape = tuple[int | None, ...]


def check_model(model: keras.Model) -> None:
    """Refuses a model that cannot be looked at between two steps of a training.

    Args:
        model: Compiled or not.

    Raises:
        UserError: If it has no compiled loss, or a stateful recurrent layer.
    """
    if not getattr(model, "compiled", False):
        raise UserError(f"{model.name}: expected a compiled model; call compile(...) first")
    if model.loss is None:
        raise UserError(
            f"{model.name}: expected a model with a compiled loss. It has none: what is minimised is computed by a "
            "`train_step` or `add_loss` of its own, which cannot be looked at from outside. Leave the diagnosis out"
        )
    for layer in model._flatten_layers(include_self=False):
        if isinstance(layer, keras.layers.RNN) and layer.stateful:
            raise UserError(
                f"{model.name}: expected layers that keep nothing from batch to batch. {layer.name} is stateful: a "
                "look at the network would change its training. Leave the diagnosis out (train.on_sick: ignore)"
            )


def unfit_labels(model: keras.Model, x: Any, labels: Any) -> str:
    """Says why the loss cannot take the labels; an empty text: it can, or it is none of those that are known.

    Args:
        model: Compiled; it is built where it is not.
        x: Examples as `fit` takes them, of which the first is looked at.
        labels: Of any number of them.
    """
    if not _is_of_keras(model.loss) or isinstance(labels, dict | list | tuple):
        return ""
    array, output = np.asarray(labels), _output_shape(model, x)
    if array.dtype.kind not in "biuf":
        return f"labels must be numbers, such as class indices from 0; these are of type {array.dtype}"
    if not output or array.ndim > 2:
        return ""
    task = task_of(model, array)
    loss, given = task.loss_name, array.shape[1:]
    plain = loss.removeprefix("sparse_")
    taken = output[1:-1] if loss != plain else output[1:]
    if plain not in (*CLASSES, *BINARY, *VALUES):
        return ""
    if _is_alike(given, taken):
        return labels_problem(task, array, output[-1] or 0) if loss != plain and task.kind == "classes" else ""
    if loss != plain and array.ndim == len(output):
        return f"{loss} takes class indices; these are rows with a place for each class: use {plain}"
    if loss in CLASSES and _is_alike(given, output[1:-1]):
        return f"{loss} takes rows with a place for each class; these are class indices: use sparse_{loss}"
    return f"{loss} cannot compare labels of shape {array.shape} with an output of shape {output}"


def _is_of_keras(loss: Any) -> bool:
    """Whether a loss is one of Keras's: others of these names may take other labels."""
    if loss is None or isinstance(loss, dict | list | tuple):
        return False
    found = keras.losses.get(loss)
    return bool(getattr(found, "fn", found).__module__.split(".")[0] == "keras")


def _output_shape(model: keras.Model, x: Any) -> Shape:
    """Shape of the output, with the examples; empty where it is not one tensor."""
    shape = getattr(model, "output_shape", None) if model.built else None
    if shape is None:  # not built, or subclassed
        output = model(keras.tree.map_structure(lambda each: each[:1], x), training=False)
        shape = tuple(getattr(output, "shape", ()))
    return shape if isinstance(shape, tuple) and all(isinstance(each, int | None) for each in shape) else ()


def _is_alike(one: Shape, other: Shape) -> bool:
    """Whether shapes agree but for axes that are not known, and for those of length 1 at the end, which Keras adds."""
    one, other = _without_ones(one), _without_ones(other)
    return len(one) == len(other) and all(None in pair or len(set(pair)) == 1 for pair in zip(one, other, strict=True))


def _without_ones(shape: Shape) -> Shape:
    return _without_ones(shape[:-1]) if shape and shape[-1] == 1 else shape
