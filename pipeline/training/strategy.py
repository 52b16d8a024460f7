"""Which devices of this machine a training is spread over."""

import contextlib
import functools
from typing import Any

import tensorflow as tf

from pipeline.errors import UserError


def scope(strategy: str) -> contextlib.AbstractContextManager[Any]:
    """Opens what a network is built and compiled in; Keras's `fit` then runs it where it was built.

    Args:
        strategy: `none`: one device; `mirrored`: every GPU holds the weights and takes an equal share of each batch
            (`tf.distribute.MirroredStrategy`); on a machine without GPUs, its logical CPU devices.

    Raises:
        UserError: If there is one device only to mirror to.
    """
    if strategy == "none":
        return contextlib.nullcontext()
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if len(devices) < 2:
        raise UserError(
            f"train.strategy: expected two or more devices for mirrored. Received: {devices[0].name}; use none"
        )
    return _mirrored(tuple(device.name for device in devices)).scope()  # type: ignore[no-any-return]


@functools.cache
def _mirrored(devices: tuple[str, ...]) -> tf.distribute.Strategy:
    """One strategy a process: those of a second one would exchange gradients under keys that the first has taken."""
    return tf.distribute.MirroredStrategy(list(devices))
