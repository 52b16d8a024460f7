"""What a published rule says of a training."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Call:
    """One symptom, in the words of the benchmark, and the epochs completed when it is called first."""

    symptom: str
    epoch: int
