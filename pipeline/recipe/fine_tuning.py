"""The recipe's `train.fine_tuning` section: how a pretrained network is trained on once its new head is."""

from pydantic import Field

from models.section import Section


class FineTuningConfig(Section):
    """A second phase: the upper layers of the pretrained network are unfrozen and trained with the head, slowly.

    For `model.type: transfer`. What else `train` says, such as schedule, clipping, averaging and early stopping, holds
    in each phase anew.
    """

    epochs: int = Field(10, ge=1)
    """Passes over the training split, after the `train.epochs` of the head alone."""
    learning_rate: float = Field(1e-5, gt=0)
    """Peak learning rate, in place of the optimiser's."""
    from_layer: str | None = None
    """Name of the first pretrained layer that is unfrozen, with all that come after it; null: see `fraction`."""
    fraction: float | None = Field(None, gt=0, le=1)
    """Share of the pretrained layers with weights that is unfrozen, from the top, rounded up; null: all of them, unless
    `from_layer` is given."""
    depth_factor: float = Field(1.0, gt=0, le=1)
    """Discriminative rates (Howard and Ruder 2018, https://arxiv.org/abs/1801.06146): the head has `learning_rate`, and
    each pretrained layer with weights this factor of the rate of the one above it; weight decay likewise."""
    gradual_steps: int = Field(1, ge=1)
    """Steps in which layers are unfrozen, from the top (gradual unfreezing of Howard and Ruder 2018); epochs and layers
    are shared out evenly. Each step is a phase; 1: all at once."""
