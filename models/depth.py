"""Stochastic depth (Huang et al. 2016): how often each residual block is left out."""

from collections.abc import Iterator


def drop_rates(last: float, num_blocks: int) -> Iterator[float]:
    """Yields the rate of each block, from first to last: growing linearly up to `last`."""
    return (last * i / num_blocks for i in range(1, num_blocks + 1))
