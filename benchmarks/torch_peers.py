"""What PyTorch users write, for `data_path.py`: the usual DataLoader and an expert's, with and without augmentation."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

DEGREES, FRACTION = 10.0, 0.1


class Images(Dataset):
    """Images by index: one (the usual) or a whole batch at once (the expert's), as float32 in [0, 1]."""

    def __init__(self, images: np.ndarray, augment: bool) -> None:
        self.images = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
        self.augment = augment

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int | torch.Tensor) -> torch.Tensor:
        images = self.images[index].float().div_(255)
        if not self.augment:
            return images
        return warped(images) if images.ndim == 4 else warped(images[None])[0]


def warped(images: torch.Tensor) -> torch.Tensor:
    """Flips, shifts and rotates a batch (batch, channels, height, width) in one `grid_sample`."""
    batch = len(images)
    angle = (torch.rand(batch) * 2 - 1) * math.radians(DEGREES)
    flip = torch.where(torch.rand(batch) < 0.5, -1.0, 1.0)
    move = (torch.rand(batch, 2) * 2 - 1) * 2 * FRACTION
    cos, sin = torch.cos(angle), torch.sin(angle)
    theta = torch.stack([cos * flip, -sin * flip, move[:, 0], sin, cos, move[:, 1]], dim=1).view(batch, 2, 3)
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def orders(num_examples: int, batch_size: int) -> Iterator[torch.Tensor]:
    """Index batches of one epoch after the other, without end."""
    while True:
        yield from torch.randperm(num_examples).split(batch_size)[: num_examples // batch_size]


class Endless:
    """A sampler over `orders`; of single indices, or of whole batches."""

    def __init__(self, num_examples: int, batch_size: int, batched: bool) -> None:
        self.num_examples, self.batch_size, self.batched = num_examples, batch_size, batched

    def __iter__(self) -> Iterator[int | torch.Tensor]:
        for batch in orders(self.num_examples, self.batch_size):
            if self.batched:
                yield batch
            else:
                yield from batch.tolist()


def peers(images: np.ndarray, batch_size: int, *, augment: bool) -> dict[str, Iterator[torch.Tensor]]:
    """Endless iterators of float32 batches; their worker processes are started here."""
    dataset = Images(images, augment)

    def loader(batched: bool, num_workers: int) -> Iterator[torch.Tensor]:
        sampler = Endless(len(images), batch_size, batched)
        size = None if batched else batch_size
        return iter(DataLoader(dataset, batch_size=size, sampler=sampler, num_workers=num_workers))

    def loop() -> Iterator[torch.Tensor]:
        for indices in orders(len(images), batch_size):
            yield dataset[indices]

    return {
        "torch DataLoader, 2 workers": loader(batched=False, num_workers=2),
        "torch expert: batched sampler": loader(batched=True, num_workers=0),
        "torch expert: batched sampler, 2 workers": loader(batched=True, num_workers=2),
        "torch expert: loop by hand": loop(),
    }
