"""The recipe's `tune` section: which keys a hyperparameter search may change, and how it judges a trial.

Read by the search over recipes alone; `plumbline run` trains the recipe as it stands.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from models.section import Section


class Parameter(Section):
    """What every range has."""

    when: dict[str, Any] = {}
    """Dotted keys and the values they must have for this one to be searched, such as {model.type: cnn}."""


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
    """A search over keys of this recipe."""

    algorithm: Literal["random", "grid", "bayesian", "hyperband", "asha"] = "random"
    """How the next trial is chosen."""
    objective: str = "val_loss"
    """Metric of an epoch by which trials are judged, at its best epoch."""
    direction: Literal["auto", "min", "max"] = "auto"
    """Whether the objective should be small or large; auto: large for accuracies, small for losses and errors."""
    trials: int = Field(20, ge=1)
    """Largest number of trials."""
    space: Annotated[dict[str, ParameterConfig], Field(min_length=1)]
    """Dotted recipe key to its range: {model.dropout: {type: float, low: 0.0, high: 0.6}}."""
