"""What every section of a recipe is: a frozen, strict pydantic model."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of the recipe: immutable, no unknown keys, no silent conversion of types.

    The docstring under a field is its documentation: it becomes the description in the JSON Schema and in
    `docs/recipe.md`. A field without a default is required.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        defer_build=True,
    )
