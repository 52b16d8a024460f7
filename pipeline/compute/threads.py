"""How many threads one operation is spread over: decided once in a process, before TensorFlow starts."""

import tensorflow as tf

from pipeline.errors import UserError


def set_threads(count: int | None) -> None:
    """Spreads operations of this process over so many CPU threads.

    Args:
        count: Threads; None: leaves it as it is.

    Raises:
        UserError: If TensorFlow runs with another number already; it cannot be changed then.
    """
    if count is None:
        return
    try:
        tf.config.threading.set_intra_op_parallelism_threads(count)
    except RuntimeError as error:
        running = tf.config.threading.get_intra_op_parallelism_threads() or "one a core"
        raise UserError(
            f"train.threads: TensorFlow already runs in this process, with another number of threads ({running}), "
            f"which cannot be changed any more. Received: {count}; start a new process"
        ) from error


def can_set_threads() -> bool:
    """Whether TensorFlow has not started in this process."""
    before = tf.config.threading.get_intra_op_parallelism_threads()
    try:
        tf.config.threading.set_intra_op_parallelism_threads(before + 1)
    except RuntimeError:
        return False
    tf.config.threading.set_intra_op_parallelism_threads(before)
    return True
