"""Compilation of one pass over a batch."""

from collections.abc import Callable
from typing import Any, TypeVar

import tensorflow as tf

Function = TypeVar("Function", bound=Callable[..., Any])


def fused(function: Function) -> Function:
    """Compiles a function of tensors by XLA into one pass over the batch, for each set of shapes and other arguments.

    What a pass computes and reads several times, XLA computes as often: whatever looks at neighbouring pixels of an
    intermediate result is to be a pass of its own.
    """
    compiled: Function = tf.function(function, jit_compile=True, autograph=False)
    return compiled
