"""When a training is looked at: often at first, when most faults show, then ever more seldom."""

MULTIPLES = (1, 2, 3, 5)
"""1, 2, 3, 5, 10, 20, 30, 50, 100, …: as evenly as round numbers go on a logarithmic axis."""


EARLY = 10
"""Epochs that are judged one by one, whatever the plan."""


def is_probed(epoch: int, planned_epochs: int) -> bool:
    """Tells whether to probe after `epoch` epochs (0: before the first); the last of the plan always is."""
    if epoch in (0, planned_epochs):
        return True
    while epoch % 10 == 0:
        epoch //= 10
    return epoch in MULTIPLES


def is_judged(epoch: int, planned_epochs: int) -> bool:
    """Tells whether to ask the rules after `epoch` epochs: at every one early on, then at ten places of the plan."""
    return epoch <= EARLY or is_probed(epoch, planned_epochs) or epoch % max(1, planned_epochs // 10) == 0


def is_noise_measured(epoch: int) -> bool:
    """Tells whether a reading after `epoch` epochs takes a second pass for the noise: 1, 10, 100, …"""
    return str(epoch).rstrip("0") == "1"
