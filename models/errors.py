"""The error for a `model` section that cannot be built for the data at hand."""


class ModelError(ValueError):
    """A mistake in the recipe's `model` section: key, what was expected, what came, what to do."""
