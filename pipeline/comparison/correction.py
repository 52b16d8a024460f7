"""Correction of p-values for their number."""

from collections.abc import Sequence


def holm(values: Sequence[float]) -> list[float]:
    """Corrects p-values for their number (Holm 1979, "A Simple Sequentially Rejective Multiple Test Procedure").

    Args:
        values: Of all tests.

    Returns:
        Corrected values, in the same order, at most 1.
    """
    if not values:
        return []
    from statsmodels.stats.multitest import multipletests

    return [float(value) for value in multipletests(values, method="holm")[1]]
