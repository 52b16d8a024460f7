"""The recipe's `train.schedule` section: how the learning rate moves over the run. A step is one batch."""

from typing import Annotated, Literal

from pydantic import Field

from models.section import Section

Momentum = Annotated[float, Field(gt=0, lt=1)]


class Schedule(Section):
    """What every schedule but one-cycle has."""

    warmup_epochs: float = Field(0.0, ge=0)
    """Epochs over which the rate rises from 0 to its peak in a straight line, before the schedule begins."""
    warmup_steps: int = Field(0, ge=0)
    """The same in steps; one of the two."""


class Constant(Schedule):
    """The learning rate stays at its peak."""

    type: Literal["constant"] = "constant"
    """The schedule, where `train.schedule` does not say which."""


class Cosine(Schedule):
    """The rate falls along half a cosine until the last epoch (Loshchilov and Hutter 2017)."""

    type: Literal["cosine"]
    """The schedule."""
    final_fraction: float = Field(0.0, ge=0, le=1)
    """Rate at the end, as a share of the peak."""


class CosineRestarts(Schedule):
    """Half cosines, each beginning at the peak again: SGDR, Loshchilov and Hutter 2017."""

    type: Literal["cosine_restarts"]
    """The schedule."""
    first_epochs: float | None = Field(None, gt=0)
    """Epochs until the first restart; 10 unless given in steps."""
    first_steps: int | None = Field(None, ge=1)
    """Steps until the first restart."""
    growth: float = Field(2.0, ge=1)
    """How many times as long as the last each following cosine is."""
    peak_factor: float = Field(1.0, gt=0, le=1)
    """What the height of a cosine above its end is multiplied by at each restart."""
    final_fraction: float = Field(0.0, ge=0, le=1)
    """Rate at the end of each cosine, as a share of the first peak."""


class Exponential(Schedule):
    """The rate is multiplied by `decay` each epoch, smoothly."""

    type: Literal["exponential"]
    """The schedule."""
    decay: float = Field(0.9, gt=0, le=1)
    """Factor an epoch, or in `every_steps` steps."""
    every_steps: int | None = Field(None, ge=1)
    """Steps in which the rate is multiplied by `decay`; null: those of an epoch."""


class Polynomial(Schedule):
    """The rate falls along a polynomial until the last epoch; power 1 is a straight line."""

    type: Literal["polynomial"]
    """The schedule."""
    power: float = Field(1.0, gt=0)
    """Exponent of the share of the run that is left."""
    final_fraction: float = Field(0.0, ge=0, lt=1)
    """Rate at the end, as a share of the peak."""


class Step(Schedule):
    """The rate is multiplied by `factor` every `every_epochs` epochs or `every_steps` steps."""

    type: Literal["step"]
    """The schedule."""
    every_epochs: float | None = Field(None, gt=0)
    """Epochs between two drops; 10 unless given in steps."""
    every_steps: int | None = Field(None, ge=1)
    """Steps between two drops."""
    factor: float = Field(0.1, gt=0, lt=1)
    """What the rate is multiplied by at each drop."""


class OneCycle(Section):
    """Up to the peak and down to almost nothing, both along half a cosine: Smith and Topin 2018, "Super-Convergence".

    It warms up by itself. `momentum` moves the other way.
    """

    type: Literal["one_cycle"]
    """The schedule."""
    rise: float = Field(0.3, gt=0, lt=1)
    """Share of the run in which the rate rises."""
    initial_fraction: float = Field(0.04, gt=0, lt=1)
    """Rate at the start, as a share of the peak."""
    final_fraction: float = Field(4e-6, ge=0, lt=1)
    """Rate at the end, as a share of the peak."""
    momentum: Annotated[tuple[Momentum, Momentum], Field(strict=False)] | None = None
    """Lowest and highest momentum, such as [0.85, 0.95]: it falls while the rate rises, and rises while that falls.
    For sgd, and for the beta_1 of adam, adamw, adamax and lamb; null: it stays as `train.optimizer` has it."""


ScheduleConfig = Annotated[
    Constant | Cosine | CosineRestarts | Exponential | Polynomial | Step | OneCycle, Field(discriminator="type")
]

MOMENTUM = {"sgd": "momentum", **dict.fromkeys(("adam", "adamw", "adamax", "lamb"), "beta_1")}
"""Optimisers whose momentum a schedule can move, to the argument that it is."""

DEFAULT_PERIOD_EPOCHS = 10.0
"""Epochs between two drops of `step`, and until the first restart of `cosine_restarts`."""


def momentum_argument(optimizer: str) -> str | None:
    """The argument of a Keras optimiser that is its momentum; None where a schedule cannot move it."""
    return MOMENTUM.get(optimizer.replace("_", "").lower())


def period_epochs(schedule: Step | CosineRestarts) -> float | None:
    """Epochs between two drops, or until the first restart; None where it is given in steps."""
    epochs, steps = (
        (schedule.every_epochs, schedule.every_steps)
        if isinstance(schedule, Step)
        else (schedule.first_epochs, schedule.first_steps)
    )
    return None if steps else epochs or DEFAULT_PERIOD_EPOCHS
