"""The recipe's `tune` section: which keys a hyperparameter search may change, and how it judges a trial.

Read by `plumbline tune` alone; `plumbline run` trains the recipe as it stands.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from models.section import Section
from pipeline.recipe.train import direction


class Parameter(Section):
    """What every range has."""

    when: dict[str, Any] = {}
    """Dotted keys and the values they must have for this one to be searched, such as {model.type: cnn}; a list is a
    choice of values."""


class Choice(Parameter):
    """One of a list of values."""

    type: Literal["choice"]
    """The range."""
    values: Annotated[tuple[Any, ...], Field(strict=False, min_length=1)]
    """The values; a list of lists for keys that take lists."""


class Boolean(Parameter):
    """True or false."""

    type: Literal["boolean"]
    """The range."""


class Int(Parameter):
    """A whole number."""

    type: Literal["int"]
    """The range."""
    low: int
    """Smallest value."""
    high: int
    """Largest value, included."""
    step: int = Field(1, ge=1)
    """Distance between two values."""
    log: bool = False
    """Whether small values are drawn as often as large ones, by the logarithm; `step` is then the factor."""


class Float(Parameter):
    """A number."""

    type: Literal["float"]
    """The range."""
    low: float
    """Smallest value."""
    high: float
    """Largest value, included."""
    step: Annotated[float, Field(gt=0)] | None = None
    """Distance between two values; null: any value between."""
    log: bool = False
    """Whether values are drawn by their logarithm, as befits learning rates."""


ParameterConfig = Annotated[Choice | Boolean | Int | Float, Field(discriminator="type")]


class TuneConfig(Section):
    """A search over keys of this recipe (`plumbline tune`)."""

    algorithm: Literal["random", "grid", "bayesian", "hyperband", "asha"] = "random"
    """How the next trial is chosen: Keras Tuner's oracles, or asha (Li et al. 2020, https://arxiv.org/abs/1810.05934).
    hyperband and asha train most trials for a few epochs only and continue the best of them."""
    objective: str = "val_loss"
    """Metric of an epoch by which trials are judged, at its best epoch."""
    direction: Literal["auto", "min", "max"] = "auto"
    """Whether the objective should be small or large; auto: large for accuracies, small for losses and errors."""
    trials: int | None = Field(None, ge=1)
    """Largest number of trials; null: 20, or as many as a `--budget` has time for; all points of a grid; one sweep of
    hyperband."""
    space: dict[str, ParameterConfig] = {}
    """Dotted recipe key to its range: {model.dropout: {type: float, low: 0.0, high: 0.6}}. What a custom model that is
    Keras Tuner's declares itself is added, as `model.arguments.<name>`."""
    factor: int = Field(3, ge=2)
    """Of hyperband and asha: each rung trains this many times as long as the one before, and one in so many trials
    reaches it."""
    min_epochs: int = Field(1, ge=1)
    """Of asha: epochs of the first rung; the last one has `train.epochs`."""
    keep: int = Field(3, ge=1)
    """How many of the best trials keep their weights; the others keep their records."""
    finalists: int = Field(2, ge=0)
    """How many of the best trials are trained again with other seeds, beside the recipe as it stands, as the best of
    many trials looks better than it is; 0: none."""
    seeds: int = Field(3, ge=2)
    """Seeds of each finalist."""
    stop_sick: bool = True
    """Whether a trial that provably does not train is stopped (`train.on_sick: stop`); its score so far counts. False:
    it is only told, unless the recipe itself says stop. No trial is repaired; `train.on_sick: ignore` stays as it
    is."""
    max_failures: int | None = Field(None, ge=0)
    """Failed trials after which the search stops; null: failures never stop it."""


def searched_direction(section: TuneConfig) -> Literal["min", "max"]:
    """Whether a small or a large objective is better."""
    return direction(section.objective) if section.direction == "auto" else section.direction
