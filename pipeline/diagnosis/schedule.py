"""At which epochs a training is probed: often at first, when most faults show, then ever more seldom."""

MULTIPLES = (1, 2, 3, 5)
"""1, 2, 3, 5, 10, 20, 30, 50, 100, …: as evenly as round numbers go on a logarithmic axis."""


def is_probed(epoch: int, planned_epochs: int) -> bool:
    """Tells whether to probe after `epoch` epochs (0: before the first); the last of the plan always is."""
    if epoch in (0, planned_epochs):
        return True
    while epoch % 10 == 0:
        epoch //= 10
    return epoch in MULTIPLES
