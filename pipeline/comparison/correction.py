"""Correction of p-values for their number."""

from collections.abc import Sequence


def holm(values: Sequence[float]) -> list[float]:
    """Corrects p-values for their number (Holm 1979, "A Simple Sequentially Rejective Multiple Test Procedure").

    Args:
        values: Of all tests.

    Returns:
        Corrected values, in the same order, at most 1.
    """
    corrected, largest = [1.0] * len(values), 0.0
    for rank, i in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        largest = max(largest, values[i] * (len(values) - rank))
        corrected[i] = min(1.0, largest)
    return corrected
