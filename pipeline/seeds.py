"""Seeds by purpose, for stages; `models/seeds.py` derives them."""

from models.seeds import seed_for

__all__ = ["seed_for"]
