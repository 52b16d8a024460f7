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
    if all hold and the model is not worse than the present champion."""
