"""Seeds by purpose: every random choice is a pure function of the recipe's seed and of what it is for."""

import hashlib


def seed_for(seed: int, *purpose: str | int) -> int:
    """Derives the seed of one purpose.

    Args:
        seed: The recipe's seed.
        purpose: What the seed is for, from general to special: `"dropout", "block_2"`.

    Returns:
        An integer in [0, 2**31), the same on every machine and Python version.
    """
    text = "/".join(str(part) for part in (seed, *purpose))
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 33
