"""The recipe's `train.checkpoint` section: how often a training is saved, so that it can be killed and go on."""

from pydantic import Field

from models.section import Section


class CheckpointConfig(Section):
    """When the whole state of a training is written to disk; whichever comes first.

    None of it changes what is learned. However often it is, a training that was killed and goes on ends with the very
    weights that it would have had; a stop by SIGTERM or Ctrl-C writes one too.
    """

    every_secs: float | None = Field(30.0, gt=0)
    """At the first step after so many seconds; null: never for this reason."""
    every_steps: int | None = Field(None, ge=1)
    """After so many steps, counted over all epochs."""
    every_epochs: int | None = Field(None, ge=1)
    """At the ends of so many epochs."""
    keep: bool = True
    """Whether the state at the end is kept beside the model, so that the same recipe with more epochs goes on from
    it."""
