"""Looks at a compiled Keras model before its first step: from it and some examples to what checks may see."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from pipeline.diagnosis.before.reload import reload
from pipeline.diagnosis.before.seen import LayerWeights, Leaks, Seen
from pipeline.diagnosis.before.telling import telling_columns
from pipeline.diagnosis.before.trial import overfit
from pipeline.diagnosis.examples import contents, evenly, num_examples
from pipeline.diagnosis.probe import NUM_EXAMPLES, Probe
from pipeline.diagnosis.signals import Facts, Reading
from pipeline.diagnosis.task import Task, task_of
from pipeline.diagnosis.unfit import unfit_labels

SAME_SIZE = 0.1
"""Relative difference of a kernel's size from that of a fresh one up to which it counts as drawn, never trained."""


def look(
    model: keras.Model,
    x: Any,
    y: Any,
    *,
    epochs: int,
    batch_size: int,
    balanced: bool = False,
    leaks: Leaks | None = None,
    saved: keras.Model | None = None,
) -> Seen:
    """Looks at everything, or at the labels alone where the loss cannot take them; leaves the model as it was.

    Args:
        model: Compiled.
        x: All training examples as `fit` takes them: an array, or a dict or list of arrays.
        y: Their labels.
        epochs: Planned.
        batch_size: Of the training.
        balanced: Whether rare classes are weighted or drawn more often.
        leaks: What is known of leakage; None: it was not looked for.
        saved: What is saved in the end, where it is not the model itself.
    """
    if problem := unfit_labels(model, x, y):
        return Seen(Facts(epochs, labels_problem=problem), leaks=leaks)
    probe_x, probe_y = evenly(x, y, NUM_EXAMPLES)
    probe = Probe(model, probe_x, probe_y)
    reading = probe.read(0)
    facts = probe.facts(epochs, -(-num_examples(x) // batch_size))
    seen = glance(model, facts, reading, batch_size=batch_size, labels=y, balanced=balanced)
    return replace(tried(seen, model, x, y, saved=saved), leaks=leaks)


def glance(
    model: keras.Model, facts: Facts, reading: Reading | None, *, batch_size: int, labels: Any, balanced: bool
) -> Seen:
    """Adds to a reading what can be read of a model and its labels in no time.

    Args:
        model: Compiled and built.
        facts: Of the training.
        reading: Before the first step; None: there is none.
        batch_size: Of the training.
        labels: Of all training examples.
        balanced: Whether rare classes are weighted or drawn more often.
    """
    task = task_of(model, labels)
    layers = [layer for layer in model._flatten_layers(include_self=False) if not isinstance(layer, keras.Model)]
    norms = [layer for layer in layers if isinstance(layer, keras.layers.BatchNormalization)]
    return Seen(
        facts,
        reading,
        weights=tuple(_weights(layer) for layer in layers if layer.weights and not _holds_others(layer)),
        batch_size=batch_size,
        new_layers=_new_layers(model),
        value_size=float(np.abs(task.labels).max()) if task.kind == "values" else math.nan,
        exclusive=task.kind == "labels" and bool((task.labels.sum(axis=1) == 1).all()),
        class_counts=_counts(task, facts.num_outputs or _num_outputs(model)),
        balanced=balanced,
        normalized=tuple(layer.name for layer in norms if layer.trainable),
        scales_itself=_scales_itself(layers),
    )


def tried(seen: Seen, model: keras.Model, x: Any, y: Any, *, saved: keras.Model | None = None) -> Seen:
    """Adds what takes seconds: whether the model learns a batch by heart, and survives to be saved and loaded.

    Args:
        seen: So far.
        model: Compiled and built; it is left as it was.
        x: Examples as `fit` takes them.
        y: Their labels.
        saved: What is saved in the end, where it is not the model itself.
    """
    learns = model.trainable_variables and not seen.facts.labels_problem
    return replace(
        seen,
        trial=overfit(model, x, y) if learns else None,
        reloaded=reload(model if saved is None else saved, evenly(x, y, 32)[0]),
    )


def shared_examples(x: Any, x_val: Any) -> int:
    """Counts the validation examples that are training examples as well, by what they contain."""
    return int(np.isin(contents(x_val), contents(x)).sum())


def find_leaks(x: Any, y: Any, x_val: Any | None) -> Leaks:
    """Looks for examples in both splits, and for columns that are the label.

    Args:
        x: Training examples.
        y: Their labels.
        x_val: Validation examples; None: there are none.
    """
    shared = 0 if x_val is None else shared_examples(x, x_val)
    columns = {"": x} if not isinstance(x, dict) else x
    told = (
        f"column {place}" if not name else f"column {place} of {name}"
        for name, array in columns.items()
        for place in (telling_columns(np.asarray(array), y) if not isinstance(array, list | tuple) else ())
    )
    return Leaks(shared, tuple(told))


def _counts(task: Task, num_outputs: int) -> tuple[int, ...] | None:
    """Examples of each class, from 0 to the largest output; for several labels, of each label."""
    if task.kind == "labels":
        return tuple(int(count) for count in task.labels.sum(axis=0))
    if task.kind not in ("classes", "binary") or not len(task.labels) or task.labels.min() < 0:
        return None
    num_classes = 2 if task.kind == "binary" else num_outputs
    return tuple(int(count) for count in np.bincount(task.labels, minlength=num_classes))


def _num_outputs(model: keras.Model) -> int:
    """Width of the output; 0 where it is not one, or Keras does not know it, as of a subclassed model."""
    shape = getattr(model, "output_shape", None)
    return int(shape[-1] or 0) if isinstance(shape, tuple) else 0


def _weights(layer: keras.Layer) -> LayerWeights:
    num_weights = sum(int(np.prod(weight.shape)) for weight in layer.weights)
    return LayerWeights(layer.name, num_weights, bool(layer.trainable_weights))


def _new_layers(model: keras.Model) -> tuple[str, ...]:
    """Frozen layers whose weights are as drawn, if most are: a trained kernel may be of the same size by chance."""
    layers = model._flatten_layers(include_self=False)
    frozen = [layer for layer in layers if isinstance(getattr(layer, "kernel", None), keras.Variable)]
    frozen = [layer for layer in frozen if not layer.trainable_weights]
    new = tuple(layer.name for layer in frozen if _is_new(layer))
    return new if 2 * len(new) > len(frozen) else ()


def _is_new(layer: keras.Layer) -> bool:
    kernel, initializer = getattr(layer, "kernel", None), getattr(layer, "kernel_initializer", None)
    if not isinstance(kernel, keras.Variable) or initializer is None or len(kernel.shape) < 2:
        return False
    bias = getattr(layer, "bias", None)
    if bias is not None and np.any(np.array(bias)):
        return False
    fresh = type(initializer).from_config(initializer.get_config())(kernel.shape)
    drawn, now = (float(np.std(np.asarray(each, "float32"))) for each in (fresh, kernel))
    return abs(now - drawn) <= SAME_SIZE * drawn


def _holds_others(layer: keras.Layer) -> bool:
    return bool(list(layer._flatten_layers(include_self=False)))


def _scales_itself(layers: Sequence[keras.Layer]) -> bool:
    for layer in layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            return True
        if any(len(weight.shape) > 1 for weight in layer.weights):
            return False
    return False
