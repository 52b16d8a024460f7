"""Whether XLA compiles a training step: Keras goes on without it where it cannot, and we do not."""

import keras

from pipeline.errors import UserError
from pipeline.recipe.train import TrainConfig


def require_compiled(section: TrainConfig, learner: keras.Model) -> None:
    """Refuses a network that XLA was to compile, and does not.

    Raises:
        UserError: If Keras turned XLA off.
    """
    if section.jit_compile is True and not learner.jit_compile:
        raise UserError(
            "train.jit_compile: expected layers that XLA can compile, in a process that has trained nothing with "
            "`deterministic: true` before. Received: true; use false, or a new process"
        )
