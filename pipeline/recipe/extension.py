"""Which trainings may go on for more epochs and end as if they had been planned so from the start."""

from pipeline.recipe.schedule import Cosine, OneCycle, Polynomial
from pipeline.recipe.train import Swa, TrainConfig


def obstacle(section: TrainConfig) -> str | None:
    """Says why a training cannot be continued for more epochs to the result of one long training.

    Args:
        section: The recipe's `train` section, with the new number of epochs.

    Returns:
        The key in the way and the reason; None if nothing is.
    """
    if isinstance(section.schedule, Cosine | Polynomial | OneCycle):
        kind = section.schedule.type
        return f"train.schedule: {kind} ends with the last epoch, so that with more of them every step has another rate"
    if isinstance(section.averaging, Swa):
        return "train.averaging: swa begins after a share of the epochs, so that with more of them it begins later"
    if section.fine_tuning:
        return "train.fine_tuning: begins after the last of the epochs"
    if section.batch_size == "auto":
        return "train.batch_size: auto is measured anew, and another size of parts has another state"
    return None
