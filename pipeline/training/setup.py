"""What a training is made of: sections of the recipe and the folders of earlier stages."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from models.config import ModelConfig
from pipeline.recipe.augment import AugmentSection
from pipeline.recipe.train import TrainConfig


@dataclass(frozen=True, kw_only=True)
class TrainingSetup:
    """All that decides how a training goes."""

    section: TrainConfig
    """How to train."""
    model: ModelConfig
    """The network."""
    augment: AugmentSection = ()
    """Random changes of training examples."""
    batch_size: int
    """Examples in a batch; the last one of an epoch may be smaller."""
    memory: Literal["auto", "memory", "disk"] = "auto"
    """Where examples are read from."""
    sampling: Literal["natural", "balanced"] = "natural"
    """Whether an epoch holds every example once, or every class equally often."""
    seed: int
    """Where initial weights, dropout, augmentation and the order of examples come from."""
    prepared: Path
    """Folder that preprocess wrote."""
    pretrained: Path | None = None
    """File that `model.type: transfer` starts from, as `pipeline.transfer.source` found it."""
