"""The recipe's `register` section: the name in the registry and the gate before `champion`."""

from pydantic import Field

from models.section import Section
from pipeline.recipe.names import NAME


class RegisterConfig(Section):
    """How the model enters the MLflow registry."""

    name: str | None = Field(None, pattern=NAME)
    """Name of the registered model; by default the recipe's name."""
    gate: dict[str, float] = {}
    """Metric to its bound on the test set: a floor, or a ceiling for losses and errors. The alias `champion` moves only
    if all hold, those of `slices` too, and the model is not worse than the present champion beyond `margin`."""
    slices: dict[str, dict[str, float]] = {}
    """Bounds in groups of test examples: kind of group (`class`, `brightness`, `words`, a column), to group, to a floor
    of its accuracy, or for values a ceiling of its mean absolute error: `{class: {malignant: 0.9}}`. The groups are in
    `slices.csv` of an evaluation."""
    margin: float | None = Field(None, ge=0)
    """How much worse than the champion, in units of the first metric of `evaluate.metrics`, a model may be on the same
    test examples: the worst end of the 95 % interval of the difference must be within it (a non-inferiority test). By
    default 2 % of the champion's score."""
