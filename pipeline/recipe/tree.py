"""The whole recipe: one frozen tree, a section a stage."""

from typing import Any

from pydantic import Field

from models.config import ModelConfig
from models.section import Section
from pipeline.recipe.augment import AugmentSection
from pipeline.recipe.data import DataConfig
from pipeline.recipe.evaluate import EvaluateConfig
from pipeline.recipe.names import NAME
from pipeline.recipe.preprocess import PreprocessConfig
from pipeline.recipe.register import RegisterConfig
from pipeline.recipe.tracking import TrackingConfig
from pipeline.recipe.train import TrainConfig
from pipeline.recipe.tune import TuneConfig


class Recipe(Section):
    """One training run, from data to a registered model. `name`, `data` and `model` suffice."""

    name: str = Field(pattern=NAME, max_length=100)
    """Name of the run."""
    seed: int = Field(42, ge=0)
    """Where all randomness of training comes from."""
    data: DataConfig
    """Where examples come from and how they are split."""
    preprocess: PreprocessConfig = PreprocessConfig()
    """What is fitted on the training split and travels inside the model."""
    augment: AugmentSection = ()
    """Random changes of training examples, in order."""
    model: ModelConfig
    """The network."""
    train: TrainConfig = TrainConfig()
    """How the network is trained."""
    evaluate: EvaluateConfig = EvaluateConfig()
    """What is measured on the sealed test set."""
    register_: RegisterConfig = Field(RegisterConfig(), alias="register")
    """How the model enters the registry."""
    tracking: TrackingConfig = TrackingConfig()
    """Where the run is recorded."""
    tune: TuneConfig | None = None
    """A hyperparameter search over keys of this recipe; `plumbline run` does not read it."""

    def flat(self) -> dict[str, Any]:
        """The recipe as dotted keys, in the order of the file: `{"model.dropout": 0.3, ...}`."""
        return flatten(self.model_dump(by_alias=True, exclude_none=True, mode="json"))


def flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flattens nested mappings to dotted keys; lists of mappings are numbered, other lists stay values."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        dotted = f"{prefix}{key}"
        if isinstance(value, list) and value and isinstance(value[0], dict):
            value = dict(enumerate(value))
        if isinstance(value, dict) and value:
            flat |= flatten(value, f"{dotted}.")
        else:
            flat[dotted] = value
    return flat
