"""Builds and compiles what a recipe trains, with the batches that it will see; takes no step."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from models.config import TransferConfig
from models.errors import ModelError
from models.priors import priors
from models.registry import build
from models.spec import InputSpec, OutputSpec
from models.transfer import build_transfer
from pipeline.batches import Batches, read_prepared
from pipeline.errors import UserError
from pipeline.recipe.augment import MIXING
from pipeline.recipe.train import Swa, TrainConfig, first_averaged_epoch, resolve
from pipeline.serving.compose import load_model
from pipeline.serving.signature import Signature
from pipeline.training.losses import class_weights, loss, metrics
from pipeline.training.momentum import cycle_momentum
from pipeline.training.optimizers import exempt_from_weight_decay, optimizer, require_an_update, update_arguments
from pipeline.training.precision import dtype_policy
from pipeline.training.sam import SharpnessAware
from pipeline.training.schedules import ConstantFrom, Rate, cycled_momentum, learning_rate
from pipeline.training.setup import TrainingSetup
from pipeline.training.strategy import scope
from pipeline.training.xla import require_compiled
from pipeline.transfer.base import load_base, require_unit
from pipeline.transfer.phases import unfreeze
from pipeline.transfer.rates import scale_rates


@dataclass(frozen=True)
class Assembled:
    """All that a training needs, before its first step."""

    section: TrainConfig
    """Resolved for the task."""
    task: str
    network: keras.Model
    """What is kept."""
    learner: keras.Model
    """What is fitted: the network, or what trains it; compiled."""
    training: Batches
    validation: Batches
    rate: Rate
    class_weights: dict[int, float] | None
    policy: str
    """Keras dtype policy."""
    policy_reason: str
    left_out: tuple[str, ...] = ()
    """Layers of a pretrained source that are not taken."""


def assemble(setup: TrainingSetup) -> Assembled:
    """Builds and compiles a network as `train` does, with the batches that it would see; takes no step.

    Args:
        setup: What to train; of a pretrained network, the head alone is left to train.

    Raises:
        UserError: If the network, the loss, the metric to watch or the optimiser does not fit the data.
    """
    prepared, memory = setup.prepared, setup.memory
    signature = Signature.load(prepared / "signature.json")
    section = resolve(setup.section, signature.task)
    if section.deterministic:
        tf.config.experimental.enable_op_determinism()
    policy, reason = dtype_policy(section.precision)

    one_hot = signature.task == "multiclass" and any(each.type in MIXING for each in setup.augment)
    num_classes = len(signature.classes) if one_hot else None
    arguments = {"batch_size": setup.batch_size, "seed": setup.seed, "num_classes": num_classes}
    order = {"sampling": setup.sampling, "augment": setup.augment}
    training = _batches(prepared / "train", memory, **order, **arguments)
    validation = _batches(prepared / "validation", memory, shuffle=False, **arguments)
    with scope(section.strategy):
        network, left_out = _build(setup, signature, policy)
        rate = build_rate(section, training.steps_per_epoch)
        learner = compile_learner(network, section, signature.task, rate=rate, policy=policy, training=training)
    weights = class_weights(section, np.load(prepared / "train" / "label.npy"), signature.classes)
    return Assembled(
        section, signature.task, network, learner, training, validation, rate, weights, policy, reason, left_out
    )


def _batches(folder: Path, memory: Literal["auto", "memory", "disk"], **arguments: Any) -> Batches:
    arrays, label = read_prepared(folder, memory)
    return Batches(arrays, label, **arguments)


def _build(setup: TrainingSetup, signature: Signature, policy: str) -> tuple[keras.Model, tuple[str, ...]]:
    """The network, and the layers of a pretrained source that are not in it."""
    model, prepared, seed = setup.model, setup.prepared, setup.seed
    inputs = InputSpec(signature.kind, dict(signature.shapes), signature.category_sizes, signature.vocabulary_size)
    num_outputs = {"binary": 1, "regression": len(signature.label)}.get(signature.task, len(signature.classes))
    labels = np.load(prepared / "train" / "label.npy")
    output = OutputSpec(signature.task, num_outputs, priors(labels, signature.task, num_outputs))
    normalize = load_model(prepared / "normalize.keras")
    try:
        if not isinstance(model, TransferConfig):
            return build(model, normalize, inputs, output, seed=seed, policy=policy), ()
        base = load_base(model, setup.pretrained, inputs.shapes["image"])
        if base.takes_prepared:
            require_unit(normalize, inputs.shapes["image"], model.source)
        entry = None if base.takes_prepared else normalize
        network = build_transfer(model, base.network, entry, output, seed=seed, policy=policy)
    except ModelError as error:
        raise UserError(str(error)) from error
    unfreeze(network, 0)
    return network, base.left_out


def build_rate(section: TrainConfig, steps_per_epoch: int) -> Rate:
    """Returns the learning rate of a run, or of one phase of it, as a function of the step."""
    peak = section.optimizer.learning_rate
    rate = learning_rate(section.schedule, peak=peak, epochs=section.epochs, steps_per_epoch=steps_per_epoch)
    averaging = section.averaging
    if isinstance(averaging, Swa) and averaging.learning_rate:
        first_step = first_averaged_epoch(averaging, section.epochs) * steps_per_epoch
        return ConstantFrom(rate, first_step, averaging.learning_rate)
    return rate


def compile_learner(
    network: keras.Model,
    section: TrainConfig,
    task: str,
    *,
    rate: Rate,
    policy: str,
    training: Batches,
    factors: Mapping[Any, float] | None = None,
) -> keras.Model:
    """Returns what is to be fitted, compiled: the network, or what trains it."""
    learner = SharpnessAware(network, section.sam.rho) if section.sam else network
    num_steps = section.epochs * training.steps_per_epoch
    require_an_update(section, num_steps)
    built = optimizer(section.optimizer, learning_rate=rate, policy=policy, **update_arguments(section))
    if section.weight_decay_on == "kernels":
        exempt_from_weight_decay(built, learner)
    if momentum := cycled_momentum(section.schedule, num_steps):
        cycle_momentum(built, momentum)
    if factors:
        scale_rates(built, factors)
    learner.compile(
        optimizer=built,
        loss=loss(section, mixed=training.num_classes is not None),
        metrics=metrics(section, task),
        steps_per_execution=section.steps_per_execution,
        jit_compile=section.jit_compile,
        auto_scale_loss=False,
    )
    require_compiled(section, learner)
    return learner
