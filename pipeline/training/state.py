"""The whole state of a training between two steps: one owner of what must be saved, and of how it is put back.

What is random derives from (seed, purpose, step) wherever it can; nothing of the data is here, because a batch is a
function of the step.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipeline.errors import UserError
from pipeline.training.checkpoint import Checkpoint, Place

KERAS_FIELDS: dict[type[keras.callbacks.Callback], tuple[str, ...]] = {
    keras.callbacks.EarlyStopping: ("wait", "best", "best_epoch"),
    keras.callbacks.ReduceLROnPlateau: ("wait", "best", "cooldown_counter"),
}
"""What Keras's callbacks keep from epoch to epoch; those of ours say it by `state_fields`."""


NUMBER = re.compile(r"_\d+(?=/|$)")
"""At the end of a name in the path of a variable."""


class TrainingState:
    """Reads and writes what a learner and its callbacks are at a place of the training.

    Beside the variables of the network (batch statistics and seeds of dropout among them), of the optimiser (loss
    scale, accumulated gradients, moving average) and of the metrics, these are the fields that callbacks keep, and
    their own `variables`.

    Args:
        learner: Compiled and built.
        callbacks: Those of the step loop, one of a class; first asked once their training has begun.
        check: Called before the state is read; raises where that is not to be kept.
    """

    def __init__(
        self,
        learner: keras.Model,
        callbacks: Sequence[keras.callbacks.Callback],
        check: Callable[[], None] = lambda: None,
    ):
        self._learner = learner
        self._check = check
        self._callbacks = {type(callback).__name__: callback for callback in callbacks}

    def take(
        self, place: Place, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]
    ) -> Callable[[], Checkpoint]:
        """Takes the state of this moment, which later steps leave alone.

        Args:
            place: Where the training is.
            arrays: What else is to be saved.
            facts: The same, as JSON has it.

        Returns:
            What reads the values into a checkpoint; another thread may call it.
        """
        tensors = self.read()
        kept = {f"{name}/{i}": value for name, values in self._best_weights().items() for i, value in enumerate(values)}
        kept |= arrays
        frozen = {**facts, "state": self._facts()}
        return lambda: Checkpoint(place, {name: tensor.numpy() for name, tensor in tensors.items()} | kept, frozen)

    def read(self) -> dict[str, tf.Tensor]:
        """Reads all variables by name; later steps leave what was read alone."""
        self._check()
        return dict(zip(self._variables, self._read(), strict=True))

    def restore(self, checkpoint: Checkpoint) -> None:
        """Puts a state back, bit by bit; callbacks that were not there when it was taken stay as they are.

        One is the diagnosis, where a training too short for it goes on for more epochs.

        Raises:
            UserError: If it is the state of another network or optimiser.
        """
        facts = checkpoint.facts["state"]
        added = self._callbacks.keys() - {name.partition("/")[0] for name in checkpoint.arrays}
        for name, variable in self._variables.items():
            if name.partition("/")[0] in added:
                continue
            value = checkpoint.arrays.get(name)
            if value is None or value.shape != tuple(variable.shape) or value.dtype != variable.dtype:
                raise UserError(
                    f"checkpoint: expected {variable.dtype.name} {tuple(variable.shape)} for {name}. "
                    f"Received: {'nothing' if value is None else f'{value.dtype} {value.shape}'}. "
                    "Run with --force train to begin anew"
                )
            variable.assign(value)
        for name, callback in self._callbacks.items():
            for field, value in facts["callbacks"].get(name, {}).items():
                setattr(callback, field, value)
            if count := facts["best_weights"].get(name):
                callback.best_weights = [checkpoint.arrays[f"{name}/{i}"].copy() for i in range(count)]
        self._learner.stop_training = facts["stop_training"]

    @cached_property
    def _variables(self) -> dict[str, tf.Variable]:
        """Every variable of TensorFlow once, by a name that is the same whenever the same recipe is built."""
        groups = {
            "network": self._learner.variables,
            "optimizer": self._learner.optimizer.variables,
            "metrics": [variable for metric in self._learner.metrics for variable in metric.variables],
            **{name: getattr(callback, "variables", []) for name, callback in self._callbacks.items()},
        }
        named: dict[str, tf.Variable] = {}
        seen = set()
        for group, variables in groups.items():
            for i, variable in enumerate(variables):
                if id(variable) not in seen:
                    # Keras numbers what has no name by what the process built before.
                    named |= _by_device(f"{group}/{i}/{re.sub(NUMBER, '', variable.path)}", variable)
                    seen.add(id(variable))
        return named

    @cached_property
    def _read(self) -> Any:
        # One call for all of them: a hundredth of the time that reading each one takes.
        return tf.function(lambda: [tf.identity(variable) for variable in self._variables.values()])

    def _best_weights(self) -> dict[str, list[np.ndarray]]:
        kept = {name: getattr(callback, "best_weights", None) for name, callback in self._callbacks.items()}
        return {name: weights for name, weights in kept.items() if weights}

    def _facts(self) -> dict[str, Any]:
        fields = {name: _fields(callback) for name, callback in self._callbacks.items()}
        return {
            "stop_training": bool(self._learner.stop_training),
            "callbacks": {name: values for name, values in fields.items() if values},
            "best_weights": {name: len(weights) for name, weights in self._best_weights().items()},
        }


def _by_device(name: str, variable: keras.Variable) -> dict[str, tf.Variable]:
    """The variable of TensorFlow; one for each device where it is mirrored: batch statistics differ between them."""
    mirrored = getattr(variable.value, "values", None)
    return {f"{name}@{i}": each for i, each in enumerate(mirrored)} if mirrored else {name: variable.value}


def _fields(callback: keras.callbacks.Callback) -> dict[str, Any]:
    """What a callback keeps, as JSON has it; lists are copied, because they grow."""
    names = getattr(callback, "state_fields", None)
    if names is None:
        names = next((names for cls, names in KERAS_FIELDS.items() if isinstance(callback, cls)), ())
    values = {name: getattr(callback, name) for name in names if hasattr(callback, name)}
    return {name: list(value) if isinstance(value, list) else value for name, value in values.items()}
