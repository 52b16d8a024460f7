"""The hash trail of a training: at chosen steps, the hash of its batch and of every tensor of its state."""

import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from pipeline.batches import Batches
from pipeline.training.checkpoint import Place

DIGEST_BYTES = 8

TRAIL = "trail.json"
"""File in the folder of the stage."""


class Footprint(NamedTuple):
    """What a training was after a chosen step."""

    phase: int
    epoch: int
    step: int
    """How many steps of the epoch were done."""
    batch: str
    """Hash of the inputs and labels of the last step."""
    tensors: dict[str, str]
    """Name of a tensor of the state to the hash of its bytes."""


class Trail:
    """Keeps the hashes of steps 1, 2, 5, 10, 20, 50 and so on, counted over all epochs.

    The state is taken at the step and hashed in the background.

    Args:
        check: Called with each footprint once it is hashed, by the thread that trains.
    """

    def __init__(self, check: Callable[[Footprint], None] = lambda _: None):
        self._check = check
        self._footprints: list[list[Any]] = []
        self._hasher = ThreadPoolExecutor(1, "trail")
        self._pending: Future[Footprint] | None = None

    @property
    def footprints(self) -> list[list[Any]]:
        """All that were taken, in their order, as plain lists, so that a checkpoint can hold them."""
        self._finish()
        return list(self._footprints)

    @footprints.setter
    def footprints(self, footprints: list[list[Any]]) -> None:
        self._footprints = footprints

    def close(self) -> None:
        """Ends the thread that hashes."""
        self._hasher.shutdown()

    def passed(self, place: Place, training: Batches, num_together: int, read: Callable[[], Mapping[str, Any]]) -> None:
        """Takes the footprint of the training if the last step, or one taken together with it, is a chosen one.

        Args:
            place: Where the training is.
            training: Its batches.
            num_together: How many steps are taken in one call.
            read: Gives the tensors of the state by name.
        """
        if self._pending and self._pending.done():
            self._finish()
        first = (place.step - 1) // num_together * num_together
        before = place.epoch * training.steps_per_epoch
        if not place.step or not any(is_chosen(before + step + 1) for step in range(first, place.step)):
            return
        self._finish()
        self._pending = self._hasher.submit(_footprint, place, training, read())

    def _finish(self) -> None:
        """Waits for the footprint that is being hashed."""
        if self._pending:
            footprint, self._pending = self._pending.result(), None
            self._footprints.append(list(footprint))
            self._check(footprint)


def _footprint(place: Place, training: Batches, tensors: Mapping[str, Any]) -> Footprint:
    inputs, labels = training.batch(place.epoch, place.step - 1)
    batch = digest(*(inputs[name].numpy() for name in sorted(inputs)), labels.numpy())
    return Footprint(*place, batch, {name: digest(tensor.numpy()) for name, tensor in tensors.items()})


def is_chosen(step: int) -> bool:
    """Whether a step, from 1, is 1, 2 or 5 times a power of ten."""
    return str(step).rstrip("0") in ("1", "2", "5")


def digest(*arrays: np.ndarray) -> str:
    """Hashes arrays by their bytes."""
    found = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for array in arrays:
        found.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return found.hexdigest()
