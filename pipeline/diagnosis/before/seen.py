"""What is known of a training before its first step, as plain values: all that checks may look at."""

import math
from dataclasses import dataclass

from pipeline.diagnosis.signals import Facts, Reading


@dataclass(frozen=True)
class LayerWeights:
    """The weights of one layer, whether or not the network calls it."""

    name: str
    num_weights: int
    trainable: bool


@dataclass(frozen=True)
class Trial:
    """What came of training a copy of the weights on a single batch, all regularisation off."""

    num_examples: int
    num_steps: int
    """All steps taken, at all learning rates."""
    rate: float
    """Adam's learning rate that got furthest."""
    first_loss: float
    last_loss: float
    score: float
    """Accuracy, or R² of values, on that batch at the end; NaN where the task is unknown."""
    chance: float
    """Score of the best constant answer on it."""
    solved: bool
    in_time: bool = True
    """Whether it had the time to take all its steps."""
    unmoved: tuple[str, ...] = ()
    """Layers whose trainable weights are, to the bit, what they were."""


@dataclass(frozen=True)
class Reloaded:
    """What came of saving a network and loading it again."""

    problem: str = ""
    """What Keras said, in one line; empty: it could be done."""
    layers: tuple[str, ...] = ()
    """Layers that cannot be loaded."""
    difference: float = 0.0
    """Largest difference of the outputs on the probe, relative to their size."""


@dataclass(frozen=True)
class Leaks:
    """What of the answer, or of other splits, is among the examples."""

    shared: int = 0
    """Validation examples that are training examples as well."""
    telling: tuple[str, ...] = ()
    """Columns of the input that are the label in other words."""
    told: tuple[str, ...] = ()
    """What was said of such columns where the data was collected."""
    notes: tuple[str, ...] = ()
    """What else was said of it where the data was collected."""


@dataclass(frozen=True)
class Seen:
    """All that was seen; what was not looked at is None."""

    facts: Facts
    """Of a training without a reading, only plan and optimiser are known."""
    reading: Reading | None = None
    """The network over the probe, before the first step."""
    weights: tuple[LayerWeights, ...] = ()
    new_layers: tuple[str, ...] = ()
    """Frozen layers with weights as drawn: biases all 0, the kernel of the size that its initialiser gives."""
    batch_size: int = 0
    """Examples that the network takes at once; 0: unknown."""
    normalized: tuple[str, ...] = ()
    """Layers of batch normalisation that train."""
    scales_itself: bool = False
    """Whether batch normalisation comes before the first kernel."""
    value_size: float = math.nan
    """Largest absolute label of a regression."""
    exclusive: bool = False
    """Whether labels that could hold together never do: each row names one of several classes."""
    class_counts: tuple[int, ...] | None = None
    """Training examples of each class."""
    balanced: bool = False
    """Whether rare classes are weighted or drawn more often."""
    leaks: Leaks | None = None
    trial: Trial | None = None
    reloaded: Reloaded | None = None

    @property
    def num_steps(self) -> int:
        """Optimiser steps of the whole plan."""
        return self.facts.planned_epochs * max(1, self.facts.steps_per_epoch)
