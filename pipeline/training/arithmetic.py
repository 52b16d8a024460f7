"""What decides the order of arithmetic, and so the last bits of every result: threads, oneDNN, devices."""

import os

import tensorflow as tf

from pipeline.compute.threads import can_set_threads, set_threads
from pipeline.environment import cpu, num_cores


def arithmetic() -> dict[str, str]:
    """Gathers what holds for this process; starts nothing of TensorFlow."""
    gpus = [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.list_physical_devices("GPU")]
    return {
        "threads": str(tf.config.threading.get_intra_op_parallelism_threads() or num_cores()),
        "oneDNN": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1"),
        "processor": cpu(),
        "GPU": ", ".join(gpu.get("device_name", "unknown") for gpu in gpus) or "none",
    }


def adopt(earlier: dict[str, str]) -> None:
    """Takes over the number of threads of a training that goes on here, while TensorFlow has not started yet."""
    if earlier["threads"] != arithmetic()["threads"] and can_set_threads():
        set_threads(int(earlier["threads"]))


def differences(earlier: dict[str, str], now: dict[str, str]) -> list[str]:
    """Says what is not as it was: `threads 2 → 4`."""
    return [f"{name} {earlier.get(name)} → {value}" for name, value in now.items() if earlier.get(name) != value]
