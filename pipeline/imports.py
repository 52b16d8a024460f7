"""Imports of heavy libraries, such as TensorFlow, MLflow and what is built on them."""

import contextlib
import gc
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def heavy_imports() -> Iterator[None]:
    """Lets nothing be printed on the standard error in the block, nor garbage be collected; exceptions still get out.

    TensorFlow's C++ code reports on CPU features and missing GPUs before its log level can be set. Modules are no
    garbage, but the collector walks through all that there is again and again while they grow: a quarter of the time
    that TensorFlow takes.
    """
    sys.stderr.flush()
    before = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    collects = gc.isenabled()
    gc.disable()
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)
        os.close(nowhere)
        if collects:
            gc.enable()
