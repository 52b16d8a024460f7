"""What is known of a training, as plain numbers: all that rules may look at."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property

import numpy as np

ACCURACIES = ("accuracy", "acc", "binary_accuracy", "categorical_accuracy", "sparse_categorical_accuracy")
"""Names under which Keras reports accuracy."""

LOG_LOSSES = ("categorical_crossentropy", "sparse_categorical_crossentropy", "binary_crossentropy")
"""Cross-entropies as such: they take the logits that an output activation of Keras keeps, whatever they are told, and
their best constant answer is known without calling them, which takes longer than all else of a reading."""

RANGES = {"sigmoid": (0.0, 1.0), "softmax": (0.0, 1.0), "tanh": (-1.0, 1.0), "relu": (0.0, math.inf)}
"""Smallest and largest values of activations that do not give every number."""

RECENT = 5
"""Epochs whose mean counts as the value now."""


class Column(IntEnum):
    """What is read of each layer at each probe: the columns of `Reading.layers`."""

    SIZE = 0
    """Root mean square of the output over the probe."""
    SPREAD = 1
    """Standard deviation of the output over the examples, root mean square over units: what the layer lets through."""
    NON_FINITE = 2
    """Share of NaN and infinite values in output, weights and gradient together."""
    DEAD = 3
    """Share of units (channels) that give exactly 0 for every example of the probe."""
    SATURATED = 4
    """Share of outputs beyond the bends of a bounded activation (`probe.FLAT`); 0 for others."""
    WEIGHT = 5
    """Root mean square of the weights."""
    GRADIENT = 6
    """Root mean square of the gradient of the loss in the layer's weights."""
    ZERO_GRADIENTS = 7
    """Share of weights whose gradient is exactly 0."""
    UPDATE = 8
    """Norm of the change of the weights since the probe before, relative to the norm of the weights, a step."""
    LARGEST = 9
    """Largest absolute weight."""


@dataclass(frozen=True)
class LayerFacts:
    """What does not change of a layer with a kernel."""

    name: str
    kind: str
    """Class name."""
    activations: tuple[str, ...] = ()
    """Names of the activations up to the next kernel; none: linear."""
    width: int = 0
    """Units or channels."""
    num_weights: int = 0
    trainable: bool = True
    connected: bool = True
    """Whether a gradient can reach its weights at all."""
    cut: tuple[str, ...] = ()
    """Names of trainable weights that none can reach, where it reaches others of the layer."""

    @property
    def fan_in(self) -> float:
        """Inputs of each unit, taking it for one kernel with a bias."""
        return max(1.0, self.num_weights / self.width - 1) if self.width else 1.0

    @property
    def activation(self) -> str:
        """The first activation after the kernel."""
        return self.activations[0] if self.activations else "linear"


@dataclass(frozen=True)
class Facts:
    """What does not change during a training."""

    planned_epochs: int
    layers: tuple[LayerFacts, ...] = ()
    task: str = "unknown"
    """`classes` (one of several), `binary`, `labels` (several at once), `values` (regression), `unknown`."""
    loss: str = ""
    """Name of the loss as Keras has it."""
    num_outputs: int = 0
    num_classes: int = 0
    """Distinct classes in the probe; 0 for other tasks."""
    from_logits: bool = False
    """Whether the loss applies the output activation itself."""
    logits_known: bool = False
    """Whether the output carries its logits, which Keras's cross-entropies use whatever they are told."""
    output_activation: str = "unknown"
    """Last activation of the network, `linear` where it has none."""
    out_of_reach: bool = False
    """Whether labels hold values that the output activation cannot give."""
    constant_loss: float = math.nan
    """Loss of the best answer that ignores the input (without penalties), on the probe."""
    chance: float = math.nan
    """Score of that answer: share of the most frequent class; 0 for values."""
    label_spread: float = math.nan
    """Standard deviation of the values to be learnt, on the probe; NaN for classes."""
    neighbours: float = math.nan
    """Score of nearest neighbours on the probe, each example left out in turn: what a simple model gets."""
    input_size: float = math.nan
    """Largest root mean square over the columns (or channels) of the input."""
    input_ratio: float = math.nan
    """Largest over smallest standard deviation of the columns of the input."""
    labels_problem: str = ""
    """What is wrong with the coding or range of the labels."""
    optimizer: str = ""
    learning_rate: float = math.nan
    """At the start."""
    momentum: float = 0.0
    clipped: bool = False
    steps_per_epoch: int = 0


@dataclass(frozen=True)
class Reading:
    """One look at the network over the probe, between two epochs."""

    epoch: int
    """Epochs completed; 0: before the first step."""
    layers: np.ndarray
    """float32 `(layers, len(Column))`, in the order of `Facts.layers`."""
    loss: float
    """Without penalties on the weights."""
    score: float
    """Accuracy, or R² of values: variance explained."""
    spread: float
    """Standard deviation of the output over the examples, root mean square over outputs."""
    top_share: float
    """Share of examples that get the most frequent answer; NaN for values."""
    finite: bool
    """Whether outputs, weights and gradients are all numbers."""
    lowest: float = math.nan
    """Smallest output."""
    highest: float = math.nan
    """Largest output."""
    gradient_noise: float = math.nan
    """Examples at which a batch's gradient is half noise (McCandlish et al. 2018, https://arxiv.org/abs/1812.06162)."""


@dataclass(frozen=True)
class Epoch:
    """What Keras said of one epoch."""

    epoch: int
    """Epochs completed, from 1."""
    logs: Mapping[str, float]
    learning_rate: float = math.nan
    """Of the next step; this, the memory and the loss scale are known of epochs after which the rules are asked."""
    secs: float = math.nan
    """Of the epoch, with validation; known of every epoch."""
    memory_share: float = math.nan
    """Share of the memory in use, of the machine or the container."""
    loss_scale: float = math.nan
    """Under mixed_float16."""
    wait_share: float = math.nan
    """Share of the steps looked at that found no batch ready; NaN: none was."""
    step_secs: float = math.nan
    """Mean of a step, with the wait for its batch and other callbacks; known of epochs whose steps were watched."""

    def __getitem__(self, name: str) -> float:
        return self.logs.get(name, math.nan)


@dataclass(frozen=True)
class Signals:
    """A training up to some epoch."""

    facts: Facts
    readings: Sequence[Reading] = ()
    epochs: Sequence[Epoch] = ()
    ended: bool = False
    """Whether training has ended: planned epochs done, or stopped."""
    siblings: Sequence[float] = ()
    """Skills that the same training ended with under other seeds."""

    @property
    def epoch(self) -> int:
        """Epochs completed."""
        return max([each.epoch for each in self.epochs[-1:]] + [each.epoch for each in self.readings[-1:]], default=0)

    @property
    def first_epoch(self) -> int:
        """Epochs that were over when this training began; above 0 for `fit(initial_epoch=...)`."""
        return self.epochs[0].epoch - 1 if self.epochs else 0

    @property
    def planned_epochs(self) -> int:
        """Epochs of the plan, without those before it began."""
        return max(1, self.facts.planned_epochs - self.first_epoch)

    @property
    def progress(self) -> float:
        """Share of the planned epochs that is done."""
        return 1.0 if self.ended else (self.epoch - self.first_epoch) / self.planned_epochs

    @property
    def last(self) -> Reading:
        """The newest reading."""
        return self.readings[-1]

    @property
    def first(self) -> Reading:
        """The reading before the first step, or the earliest there is."""
        return self.readings[0]

    def early(self, num_epochs: int) -> list[Reading]:
        """Readings within the first epochs of this training, without that before its first step."""
        return [each for each in self.readings if 0 < each.epoch - self.first_epoch <= num_epochs]

    @cached_property
    def losses(self) -> np.ndarray:
        """Training loss of each epoch, float64 `(epochs,)`."""
        return np.array([each["loss"] for each in self.epochs])

    def latest(self, name: str) -> float:
        """A field of `Epoch` as it is known last; NaN: never."""
        known = [getattr(each, name) for each in self.epochs]
        return next((value for value in reversed(known) if not math.isnan(value)), math.nan)

    def fall(self, num_epochs: int) -> float:
        """Relative fall of the mean loss of the last epochs from that of as many before; 0 where these are too few."""
        if len(self.losses) < 2 * num_epochs:
            return 0.0
        before, now = self.losses[-2 * num_epochs : -num_epochs].mean(), self.losses[-num_epochs:].mean()
        if before == 0:
            return 0.0 if now == 0 else -math.inf
        return float((before - now) / abs(before))

    @property
    def is_loss_broken(self) -> bool:
        """Whether the training loss is NaN or infinite; a training step of one's own may report none."""
        return bool(self.epochs) and not math.isfinite(self.epochs[-1].logs.get("loss", 0.0))

    @cached_property
    def val_losses(self) -> np.ndarray:
        """Validation loss of each epoch, NaN where there is none."""
        return np.array([each["val_loss"] for each in self.epochs])

    def series(self, name: str) -> np.ndarray:
        """Values of a metric by epoch, NaN where it is missing."""
        return np.array([each[name] for each in self.epochs])

    @cached_property
    def accuracy_name(self) -> str:
        """Name under which `fit` reports accuracy; an empty text: it does not."""
        logs = self.epochs[-1].logs if self.epochs else {}
        return next((name for name in ACCURACIES if name in logs or f"val_{name}" in logs), "")

    @cached_property
    def scores(self) -> np.ndarray:
        """Accuracy of each epoch, the better of training and validation; as probed where `fit` reports none.

        The better of both, since dropout and augmentation lower the one, and too little data the other: whether a
        network generalises is another question than whether it learns. R² of values is as probed.
        """
        if self.is_score_reported:
            known = [self.series(prefix + self.accuracy_name) for prefix in ("", "val_")]
            return np.asarray(np.nanmax(known, axis=0))
        at = [reading.epoch for reading in self.readings]
        return np.interp([each.epoch for each in self.epochs], at, [reading.score for reading in self.readings])

    @property
    def is_score_reported(self) -> bool:
        """Whether `fit` reports what `scores` are made of; else they are probed."""
        return bool(self.accuracy_name) and self.facts.task != "values"

    @property
    def is_score_known(self) -> bool:
        """Whether `score` is of now: reported by `fit`, or probed after the last epoch."""
        return self.is_score_reported or self.is_just_read

    @property
    def is_just_read(self) -> bool:
        """Whether the newest reading is of now."""
        return self.last.epoch == self.epoch

    @property
    def score(self) -> float:
        """Mean of `scores` over the last `RECENT` epochs; as probed before the first."""
        return float(self.scores[-RECENT:].mean()) if self.epochs else self.last.score

    @cached_property
    def best_scores(self) -> np.ndarray:
        """Highest mean of `RECENT` epochs so far, by epoch."""
        width = min(RECENT, max(1, len(self.epochs)))
        means = np.convolve(self.scores, np.ones(width) / width, "valid") if self.epochs else self.scores
        return np.maximum.accumulate(means) if len(means) else means

    def recent(self, name: str) -> float:
        """Mean of a metric over the last `RECENT` epochs; NaN where it is missing."""
        values = self.series(name)[-RECENT:]
        return float(values.mean()) if len(values) else math.nan

    def column(self, column: Column) -> np.ndarray:
        """One column over time, float32 `(readings, layers)`."""
        return np.array([reading.layers[:, column] for reading in self.readings])

    def until(self, epoch: int) -> "Signals":
        """The same training as it was known after `epoch` epochs."""
        readings = [each for each in self.readings if each.epoch <= epoch]
        epochs = [each for each in self.epochs if each.epoch <= epoch]
        return replace(self, readings=readings, epochs=epochs, ended=self.ended and epoch >= self.epoch)
