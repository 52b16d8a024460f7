"""Silences what native libraries print to the terminal while they are imported."""

import contextlib
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def quiet_imports() -> Iterator[None]:
    """Sends the process's standard error to nowhere inside the block; exceptions still get out.

    TensorFlow's C++ code reports on CPU features and missing GPUs before its log level can be set.
    """
    sys.stderr.flush()
    before = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)
        os.close(nowhere)
