"""When a training is looked at: often at first, when most faults show, then ever more seldom."""

FACTOR = 4
"""1, 4, 16, 64, 256, …: evenly on a logarithmic axis."""

TENTHS = (1, 2, 3, 5, 7)
"""Tenths of the plan at which a training is judged, looked at or not: what is hopeless should be told early."""


def is_probed(epoch: int, planned_epochs: int) -> bool:
    """Tells whether to probe after `epoch` epochs (0: before the first); the last of the plan always is.

    None is in the last fifth but that: little happens between them that the end does not tell. Where the last one gave
    cause for doubt, `Diagnosis` probes again sooner (`FirstQuestion.looks_again`).
    """
    if epoch in (0, planned_epochs):
        return True
    power = 1
    while power < epoch:
        power *= FACTOR
    return power == epoch and 5 * epoch <= 4 * planned_epochs


def is_judged(epoch: int, planned_epochs: int) -> bool:
    """Tells whether to ask the rules after `epoch` epochs: after each look, and at some `TENTHS` of the plan.

    Not at its end, where they are asked about the training as a whole.
    """
    if epoch == planned_epochs:
        return False
    return is_probed(epoch, planned_epochs) or epoch in {round(planned_epochs * tenths / 10) for tenths in TENTHS}


def is_watched(epoch: int, planned_epochs: int) -> bool:
    """Tells whether to watch the steps of this epoch, counted from 1: the first still prepares its batches."""
    return epoch in (2, 3) or (epoch > 1 and is_probed(epoch, planned_epochs))


def is_noise_measured(epoch: int) -> bool:
    """Tells whether a reading after `epoch` epochs takes a second pass for the noise: the first, and from 100 on."""
    return epoch == 1 or epoch >= 100
