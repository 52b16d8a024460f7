"""The Keras dtype policy that a machine runs best."""

import tensorflow as tf

TENSOR_CORES = (7, 0)
"""First compute capability with float16 tensor cores (NVIDIA Volta)."""


def dtype_policy(precision: str) -> tuple[str, str]:
    """Chooses the Keras dtype policy.

    Args:
        precision: `auto`, or the name of a policy.

    Returns:
        The policy's name, and the reason for it in words.
    """
    if precision != "auto":
        return precision, "as the recipe says"
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return "float32", "no GPU, and a CPU gains nothing from 16 bits"
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    if all(device.get("compute_capability", (0, 0)) >= TENSOR_CORES for device in details):
        return "mixed_float16", f"{details[0].get('device_name', 'the GPU')} has tensor cores"
    return "float32", f"{details[0].get('device_name', 'the GPU')} has no tensor cores"
