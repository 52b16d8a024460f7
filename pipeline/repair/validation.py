"""Whether one training is better than another: both asked the same validation examples, the difference tested."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pipeline.batches import read_prepared
from pipeline.comparison.correction import holm
from pipeline.comparison.paired import Effect, effect
from pipeline.comparison.resampling import SEED
from pipeline.comparison.verdict import amount
from pipeline.metrics import Predicted
from pipeline.serving.compose import load_model
from pipeline.serving.outputs import BATCH_SIZE
from pipeline.serving.signature import Signature

METRICS = {
    "binary": ("accuracy", "log_loss"),
    "multiclass": ("accuracy", "log_loss"),
    "multilabel": ("accuracy", "log_loss"),
    "regression": ("mae", "rmse"),
}
"""By task: what is compared; one that shows a difference suffices, since p-values are corrected for their number."""


@dataclass(frozen=True)
class Gain:
    """By how much one training is better than another on the same validation examples."""

    over: str
    """The other, in words."""
    effects: tuple[Effect, ...]
    """One a metric; p-values corrected for their number, and for that of the networks that the new one was best of."""

    @property
    def proven(self) -> bool:
        """Whether it is better by one metric and worse by none, as far as can be told."""
        apart = [each for each in self.effects if each.distinguishable]
        return bool(apart) and all(each.value > 0 for each in apart)

    def __str__(self) -> str:
        shown = next((each for each in self.effects if each.distinguishable), self.effects[0])
        low, high = (amount(shown.metric, value) for value in (shown.low, shown.high))
        size = amount(shown.metric, shown.value, unit=True)
        told = "" if shown.distinguishable else ": not told apart"
        return (
            f"{size} of validation {shown.metric.replace('_', ' ')} over {self.over}, 95 % interval {low} to {high}, "
            f"{shown.count:,} examples{told}"
        )


def answers(trained: Path, prepared: Path) -> Predicted:
    """What the network of a train stage says of the validation split.

    Args:
        trained: Folder that train wrote.
        prepared: Folder that preprocess wrote.
    """
    signature = Signature.load(prepared / "signature.json")
    arrays, labels = read_prepared(prepared / "validation")
    network = load_model(trained / "network.keras")
    # Not compiled: a repair asks each of its networks once.
    outputs = [
        network({name: array[first : first + BATCH_SIZE] for name, array in arrays.items()}, training=False)
        for first in range(0, len(labels), BATCH_SIZE)
    ]
    return Predicted(signature.task, labels, np.concatenate(outputs))


def gain(new: Predicted, old: Predicted, *, over: str, num_tried: int = 1) -> Gain:
    """Compares two networks by what they said of the same examples.

    Args:
        new: What the one said that is to be better.
        old: What the other said.
        over: The other, in words.
        num_tried: How many networks the new one was chosen from by the same examples (Bonferroni).
    """
    found = [effect(metric, old, new, seed=SEED) for metric in METRICS[new.task]]
    corrected = zip(found, holm([each.p for each in found]), strict=True)
    return Gain(over, tuple(replace(each, p=min(1.0, num_tried * p)) for each, p in corrected))
