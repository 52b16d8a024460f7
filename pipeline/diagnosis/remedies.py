"""What to change when something is wrong: recipe overrides, ordered by the rules that give them."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.diagnosis.signals import Facts

DEFAULT_RATE = 0.001
"""Learning rate that Adam was published with (Kingma and Ba 2015, https://arxiv.org/abs/1412.6980)."""

TRAVEL = 10.0
"""Sum of all steps that a weight may take; ours: it starts at a size of about 1 / √inputs."""


@dataclass(frozen=True)
class Remedy:
    """One change of a training."""

    overrides: Mapping[str, Any]
    """Recipe keys with their new values; where the network is not ours, the key says what is meant. None: no key does
    it."""
    why: str
    """What it does, in plain words; without a key, what to do."""

    def __str__(self) -> str:
        return " ".join(f"{key}={_written(value)}" for key, value in self.overrides.items()) or "no recipe key"

    @property
    def call(self) -> str:
        """What to do, in one sentence."""
        return f"Try {self}" if self.overrides else f"No recipe key: {self.why}"


TANH = Remedy(
    {"model.activation": "tanh", "model.kernel_initializer": "glorot_uniform"},
    "tanh is bounded and never dies; Glorot's weights keep its signals alive (Glorot and Bengio 2010)",
)
RELU = Remedy(
    {"model.activation": "relu", "model.kernel_initializer": "he_normal"},
    "ReLU passes gradients on undiminished; He's weights keep their size (He et al. 2015)",
)
SELU = Remedy(
    {"model.activation": "selu", "model.kernel_initializer": "lecun_normal"},
    "SELU normalises signals by itself, however deep the network (Klambauer et al. 2017)",
)
LEAKY_RELU = Remedy(
    {"model.activation": "leaky_relu", "model.kernel_initializer": "he_normal"},
    "a leaky ReLU lets a gradient through on both sides (Maas et al. 2013)",
)
REINITIALIZE = Remedy(
    {"model.kernel_initializer": "auto"},
    "start from weights whose scale suits the activation, and from small random ones everywhere",
)
BATCH_NORM = Remedy(
    {"model.normalization": "batch"},
    "batch normalisation brings each layer's signals back to a common scale (Ioffe and Szegedy 2015)",
)
DEFAULT_ADAM = Remedy(
    {"train.optimizer.type": "adam", "train.optimizer.learning_rate": DEFAULT_RATE},
    "Adam at its published rate adapts the step of each weight (Kingma and Ba 2015)",
)
CLIP = Remedy({"train.clip.global_norm": 1.0}, "no gradient may be longer than 1 (Pascanu et al. 2013)")
STANDARDIZE = Remedy({"preprocess.normalize": "standard"}, "mean 0 and variance 1 for every input (LeCun et al. 1998)")
RIGHT_OUTPUT = Remedy(
    {"model.output_activation": "auto"},
    "the output must give what the loss takes: softmax for classes, sigmoid for yes or no, linear for values",
)
RIGHT_LOSS = Remedy({"train.loss": "auto"}, "the loss that belongs to the task and its labels")
RIGHT_LABELS = Remedy({}, "bring the labels into the form that the loss takes: classes are numbered from 0")
EARLY_STOPPING = Remedy({"train.early_stopping.patience": 10}, "keep the weights of the best epoch and stop there")
DROPOUT = Remedy({"model.dropout": 0.5}, "dropout keeps units from relying on each other (Srivastava et al. 2014)")
WEIGHT_DECAY = Remedy({"model.l2": 0.001}, "a penalty on large weights keeps the function smooth")
LABEL_SMOOTHING = Remedy({"train.label_smoothing": 0.1}, "wrong labels weigh less when none is taken as certain")
BALANCE = Remedy({"train.class_weights": "balanced"}, "rare classes count as much as frequent ones")
OVERSAMPLE = Remedy({"data.sampling": "balanced"}, "an epoch holds every class equally often")
SPLIT_BY_CONTENT = Remedy({"data.split.by": "hash"}, "equal examples fall into the same split")
CENTRED = Remedy({"model.output_bias": "priors"}, "the output begins at the mean of the labels, not at 0")
LESS_MEMORY = Remedy({"data.memory": "disk"}, "read prepared examples from disk; smaller batches help too")
IN_MEMORY = Remedy({"data.memory": "memory"}, "prepared examples that lie in memory need no reading")
FEWER_CHANGES = Remedy({"augment": []}, "without augmentation one sees whether it is what takes the time")
OTHER_SEED = Remedy({"seed": 1}, "another start leads elsewhere")
WARMUP = Remedy(
    {"train.schedule.warmup_epochs": 3}, "small first steps do not leave the good start (Goyal et al. 2017)"
)
CONNECT = Remedy(
    {}, "connect these layers to the output by operations that have a gradient (not argmax, rounding or NumPy)"
)
LEAVE_OUT = Remedy({}, "leave it out (`data.ignore`), unless it is known where the model is used before the answer is")
COLLECT = Remedy({}, "collect examples of each class, or take away the outputs that no label asks for")
USE = Remedy({}, "call these layers where the network computes its output, or take them out")
UNFREEZE = Remedy({}, "load trained weights into these layers, or set them trainable before `compile`")
REGISTER = Remedy(
    {},
    "register layers of your own with @keras.saving.register_keras_serializable(), name all their arguments in "
    "`get_config`, and write a Lambda as such a layer",
)
FLOAT32 = Remedy({"train.precision": "float32"}, "float32 needs no scaling of the loss")


def seed_of(seed: int) -> Remedy:
    """Takes a seed that is known to lead elsewhere."""
    return Remedy({"seed": seed}, "of the seeds that were tried it came furthest")


def rate(facts: Facts, factor: float) -> Remedy:
    """Multiplies the learning rate.

    Args:
        facts: Of the training; the rate at its start.
        factor: Below 1: smaller steps.
    """
    value = float(f"{facts.learning_rate * factor:.3g}")
    why = "smaller steps do not jump over the minimum" if factor < 1 else "larger steps get there within the plan"
    return Remedy({"train.optimizer.learning_rate": value}, why)


def rate_of(value: float) -> Remedy:
    """Sets the learning rate and leaves the optimiser."""
    return Remedy({"train.optimizer.learning_rate": value}, "what this optimiser is usually begun with")


def fitted(remedy: Remedy, facts: Facts) -> Remedy:
    """Gives Adam, where a remedy is `DEFAULT_ADAM`, a rate that gets somewhere within the plan.

    Each step of Adam moves a weight by the rate at most. The rate is what moves it by `TRAVEL` over all steps, between
    the published one and ten times that; and no larger than moves weights of the usual size, 1 / √inputs, by a tenth of
    it a step.

    Args:
        remedy: Any.
        facts: Of the training.
    """
    if remedy != DEFAULT_ADAM:
        return remedy
    steps = max(1, facts.planned_epochs * max(1, facts.steps_per_epoch))
    widest = max((layer.width for layer in facts.layers[:-1]), default=1)
    value = min(10 * DEFAULT_RATE, TRAVEL / steps, 0.1 / math.sqrt(max(1, widest)))
    value = float(f"{max(DEFAULT_RATE, value):.1g}")
    if value == DEFAULT_RATE:
        return remedy
    why = "Adam adapts the step of each weight (Kingma and Ba 2015); at this rate it gets there within the plan"
    return Remedy({**remedy.overrides, "train.optimizer.learning_rate": value}, why)


def smaller_from(epoch: int, factor: float = 0.1) -> Remedy:
    """Goes back to where a training was healthy and on from there with smaller steps.

    As a recipe: a schedule that is the same up to that epoch, so that the training is too.

    Args:
        epoch: Epochs after which it was healthy.
        factor: What the rate is multiplied by then.
    """
    schedule = {"train.schedule.type": "step", "train.schedule.every_epochs": epoch, "train.schedule.factor": factor}
    return Remedy(schedule, f"back to epoch {epoch}, where the training was healthy, and on with smaller steps")


def more_epochs(facts: Facts, factor: int = 3) -> Remedy:
    """Trains longer."""
    return Remedy({"train.epochs": facts.planned_epochs * factor}, "the loss is still falling")


def wider(facts: Facts, factor: int = 4) -> Remedy:
    """Gives hidden layers more units."""
    widest = max((layer.width for layer in facts.layers[:-1]), default=16)
    return Remedy({"model.units": max(32, widest * factor)}, "more units can say more of the input")


def _written(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, list):
        return json.dumps(value, separators=(",", ":"))
    return str(value).lower() if isinstance(value, bool) else str(value)
