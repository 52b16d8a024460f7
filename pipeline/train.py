"""Trains the network on prepared examples with Keras's own `fit` and keeps the best weights."""

import functools
import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from models.config import ModelConfig, TransferConfig
from models.errors import ModelError
from models.priors import priors
from models.registry import build
from models.spec import InputSpec, OutputSpec
from models.transfer import build_transfer, pretrained_layers
from pipeline.averaging import StochasticWeightAverage, ValidateMovingAverage, reestimate_batch_norm
from pipeline.batches import Batches, read_prepared
from pipeline.callbacks import Epoch, EpochLog, FiniteLoss, LossScale, ProgressBar
from pipeline.errors import UserError
from pipeline.figures import learning_curves, learning_rates
from pipeline.history import History
from pipeline.journal import Journal, StageResult
from pipeline.losses import class_weights, loss, metrics
from pipeline.optimizers import exempt_from_weight_decay, optimizer, require_an_update, update_arguments
from pipeline.precision import dtype_policy
from pipeline.progress import progress
from pipeline.recipe.augment import MIXING, AugmentSection
from pipeline.recipe.phases import phase_sections
from pipeline.recipe.train import (
    EarlyStoppingConfig,
    ReduceOnPlateauConfig,
    Swa,
    TrainConfig,
    direction,
    first_averaged_epoch,
    resolve,
)
from pipeline.recipe.warnings import warnings
from pipeline.sam import SharpnessAware
from pipeline.schedules import Rate, learning_rate, sampled
from pipeline.serving.compose import load_model
from pipeline.serving.signature import Signature
from pipeline.strategy import scope
from pipeline.transfer.base import load_base, require_unit
from pipeline.transfer.features import compute_features
from pipeline.transfer.phases import Cached, Data, fit_phases, plan_phases, unfreeze
from pipeline.transfer.rates import scale_rates
from pipeline.transfer.record import record_transfer


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


def train(
    section: TrainConfig,
    *,
    model: ModelConfig,
    augment: AugmentSection,
    batch_size: int,
    memory: Literal["auto", "memory", "disk"],
    sampling: Literal["natural", "balanced"] = "natural",
    seed: int,
    prepared: Path,
    pretrained: Path | None = None,
    out: Path,
    journal: Journal,
) -> StageResult:
    """Builds a network, fits it on the training split and writes the weights of its best epoch.

    Writes `network.keras` (prepared tensors -> probabilities or values, float32; not compiled), `history.json` and
    `artifacts/` (the schedule, learning curves, summary of the network; `transfer.json` of transfer learning).

    Args:
        section: How to train.
        model: The network.
        augment: Random changes of training examples.
        batch_size: Examples in a batch; the last one of an epoch may be smaller.
        memory: Where examples are read from: auto, memory or disk.
        sampling: Whether an epoch holds every example once, or every class equally often.
        seed: Where initial weights, dropout, augmentation and the order of examples come from.
        prepared: Folder that preprocess wrote.
        pretrained: File that `model.type: transfer` starts from, as `pipeline.transfer.source` found it.
        out: Folder to write into.
        journal: Record of the stage: one value a metric and epoch, `best/*` for the epoch kept.

    Raises:
        UserError: If the network, the loss, the metric to watch or the optimiser does not fit the data.
        NonFiniteLossError: If the loss becomes NaN or infinite.
    """
    assembled = assemble(
        section,
        model=model,
        augment=augment,
        batch_size=batch_size,
        memory=memory,
        sampling=sampling,
        seed=seed,
        prepared=prepared,
        pretrained=pretrained,
    )
    section, network, training = assembled.section, assembled.network, assembled.training
    journal.say(f"precision: {assembled.policy} ({assembled.policy_reason})")
    for warning in warnings(model, batch_size=batch_size):
        journal.say(f"warning: {warning}")
    _log_schedule(section, training.steps_per_epoch, out / "artifacts", journal)
    if isinstance(model, TransferConfig):
        cache = (
            None
            if augment
            else functools.partial(
                _features, prepared, out, memory, batch_size=batch_size, sampling=sampling, seed=seed
            )
        )
        history = _fit_transfer(assembled, model.source, cache, out, journal)
    else:
        history = fit(
            assembled.learner, section, training, assembled.validation, weights=assembled.class_weights, journal=journal
        )
    return _write(network, history, out, journal)


def assemble(
    section: TrainConfig,
    *,
    model: ModelConfig,
    augment: AugmentSection,
    batch_size: int,
    memory: Literal["auto", "memory", "disk"],
    sampling: Literal["natural", "balanced"] = "natural",
    seed: int,
    prepared: Path,
    pretrained: Path | None = None,
) -> Assembled:
    """Builds and compiles a network as `train` does, with the batches that it would see; takes no step.

    Args:
        section: How to train.
        model: The network.
        augment: Random changes of training examples.
        batch_size: Examples in a batch.
        memory: Where examples are read from.
        sampling: What an epoch holds.
        seed: Where all randomness comes from.
        prepared: Folder that preprocess wrote.
        pretrained: As in `train`; of a pretrained network, the head alone is left to train.

    Raises:
        UserError: If the network, the loss, the metric to watch or the optimiser does not fit the data.
    """
    signature = Signature.load(prepared / "signature.json")
    section = resolve(section, signature.task)
    if section.deterministic:
        tf.config.experimental.enable_op_determinism()
    policy, reason = dtype_policy(section.precision)

    one_hot = signature.task == "multiclass" and any(each.type in MIXING for each in augment)
    arguments = {"batch_size": batch_size, "seed": seed, "num_classes": len(signature.classes) if one_hot else None}
    training = _batches(prepared / "train", memory, sampling=sampling, augment=augment, **arguments)
    validation = _batches(prepared / "validation", memory, shuffle=False, **arguments)
    with scope(section.strategy):
        network, left_out = _build(model, prepared, signature, seed=seed, policy=policy, pretrained=pretrained)
        rate = _rate(section, training.steps_per_epoch)
        learner = _compile(network, section, signature.task, rate=rate, policy=policy, training=training)
    weights = class_weights(section, np.load(prepared / "train" / "label.npy"), signature.classes)
    return Assembled(
        section, signature.task, network, learner, training, validation, rate, weights, policy, reason, left_out
    )


def fit(
    network: keras.Model,
    section: TrainConfig,
    training: Batches,
    validation: Batches,
    *,
    weights: dict[int, float] | None = None,
    first_epoch: int = 0,
    journal: Journal,
) -> History:
    """Runs Keras's `fit` over a data path that is a function of the global step; leaves the best weights in `network`.

    Args:
        network: Compiled.
        section: Resolved for the task.
        training: Batches of the training split, counted over all epochs.
        validation: Batches of the validation split, gone through once an epoch.
        weights: Of the examples of each class in the training loss; None: all weigh 1.
        first_epoch: Number of the first epoch, where others came before.
        journal: Gets the values of each epoch.

    Raises:
        NonFiniteLossError: If the loss becomes NaN or infinite.
    """
    log = EpochLog(journal, training.num_examples)
    stopping = _early_stopping(section.early_stopping) if section.early_stopping else None
    plateau = _plateau(section.reduce_on_plateau) if section.reduce_on_plateau else None
    first_step, num_steps = first_epoch * training.steps_per_epoch, section.epochs * training.steps_per_epoch
    with progress("train", section.epochs * training.num_examples) as advance:
        network.fit(
            training.dataset(first_step, num_steps),
            initial_epoch=first_epoch,
            epochs=first_epoch + section.epochs,
            steps_per_epoch=training.steps_per_epoch,
            validation_data=validation.dataset(num_steps=validation.steps_per_epoch),
            class_weight=weights,
            callbacks=callbacks(
                log, stopping, plateau, _averaging(section, first_epoch), ProgressBar(advance, training)
            ),
            shuffle=False,
            verbose=0,
        )
    best_epoch = stopping.best_epoch if stopping else log.epochs[-1]["epoch"]
    averaged: Epoch = {}
    if isinstance(section.averaging, Swa):
        reestimate_batch_norm(network, training, first_step=first_step + num_steps)
        averaged = _validate(network, validation)
    return History(log.epochs, best_epoch, log.examples_per_sec(), averaged)


def callbacks(
    log: EpochLog,
    stopping: keras.callbacks.EarlyStopping | None,
    plateau: keras.callbacks.ReduceLROnPlateau | None,
    averaging: keras.callbacks.Callback | None,
    bar: ProgressBar,
) -> list[keras.callbacks.Callback]:
    """Lists what watches a training, in the order in which it is called.

    Whoever may fail the run comes first; who changes the learning rate comes before the log, which records that of the
    next step.
    """
    return [callback for callback in (FiniteLoss(), plateau, averaging, LossScale(), log, bar, stopping) if callback]


def fingerprint(network: keras.Model) -> str:
    """Hashes a network that is not compiled: its architecture and the bytes of its weights."""
    digest = hashlib.blake2b(network.to_json().encode(), digest_size=16)
    for weight in network.get_weights():
        digest.update(weight.tobytes())
    return digest.hexdigest()


def _batches(folder: Path, memory: Literal["auto", "memory", "disk"], **arguments: Any) -> Batches:
    arrays, label = read_prepared(folder, memory)
    return Batches(arrays, label, **arguments)


def _build(
    model: ModelConfig, prepared: Path, signature: Signature, *, seed: int, policy: str, pretrained: Path | None
) -> tuple[keras.Model, tuple[str, ...]]:
    """The network, and the layers of a pretrained source that are not in it."""
    inputs = InputSpec(signature.kind, dict(signature.shapes), signature.category_sizes, signature.vocabulary_size)
    num_outputs = {"binary": 1, "regression": len(signature.label)}.get(signature.task, len(signature.classes))
    labels = np.load(prepared / "train" / "label.npy")
    output = OutputSpec(signature.task, num_outputs, priors(labels, signature.task, num_outputs))
    normalize = load_model(prepared / "normalize.keras")
    try:
        if not isinstance(model, TransferConfig):
            return build(model, normalize, inputs, output, seed=seed, policy=policy), ()
        base = load_base(model, pretrained, inputs.shapes["image"])
        if base.takes_prepared:
            require_unit(normalize, inputs.shapes["image"], model.source)
        entry = None if base.takes_prepared else normalize
        network = build_transfer(model, base.network, entry, output, seed=seed, policy=policy)
    except ModelError as error:
        raise UserError(str(error)) from error
    unfreeze(network, 0)
    return network, base.left_out


def _rate(section: TrainConfig, steps_per_epoch: int) -> Rate:
    peak = section.optimizer.learning_rate
    return learning_rate(section.schedule, peak=peak, epochs=section.epochs, steps_per_epoch=steps_per_epoch)


def _compile(
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
    require_an_update(section, section.epochs * training.steps_per_epoch)
    built = optimizer(section.optimizer, learning_rate=rate, policy=policy, **update_arguments(section))
    exempt_from_weight_decay(built, learner)
    if factors:
        scale_rates(built, factors)
    learner.compile(
        optimizer=built,
        loss=loss(section, mixed=training.num_classes is not None),
        metrics=metrics(section, task),
        auto_scale_loss=False,
    )
    return learner


def _fit_transfer(
    assembled: Assembled, source: str, cache: Callable[[keras.Model], Cached] | None, out: Path, journal: Journal
) -> History:
    """Fits the head, then what the recipe unfreezes."""
    network = assembled.network

    def learn(
        network: keras.Model,
        section: TrainConfig,
        data: Data,
        *,
        first_epoch: int = 0,
        factors: Mapping[Any, float] | None = None,
    ) -> History:
        rate = _rate(section, data.training.steps_per_epoch)
        learner = _compile(
            network,
            section,
            assembled.task,
            rate=rate,
            policy=assembled.policy,
            training=data.training,
            factors=factors,
        )
        weights = assembled.class_weights
        return fit(learner, section, *data, weights=weights, first_epoch=first_epoch, journal=journal)

    phases = plan_phases(assembled.section, [layer.name for layer in pretrained_layers(network)])
    record_transfer(network, phases, assembled.left_out, source, out / "artifacts" / "transfer.json", journal)
    data = Data(assembled.training, assembled.validation)
    return fit_phases(network, phases, data, learn=learn, cache=cache, journal=journal)


def _features(
    prepared: Path,
    out: Path,
    memory: Literal["auto", "memory", "disk"],
    extractor: keras.Model,
    *,
    sampling: Literal["natural", "balanced"],
    **arguments: Any,
) -> Cached:
    """Batches of the features of the frozen part, in the order that the images would have."""
    batches, speeds = [], []
    for split, order in (("train", {"sampling": sampling}), ("validation", {"shuffle": False})):
        arrays, label = read_prepared(prepared / split, memory)
        features = compute_features(extractor, arrays, out / "features" / f"{split}.npy", memory)
        batches.append(Batches(features.arrays, label, **order, **arguments))
        speeds.append(features.examples_per_sec)
    # The files are open: the space is free once they are no longer read.
    shutil.rmtree(out / "features", ignore_errors=True)
    place = "on disk" if isinstance(features.arrays["features"], np.memmap) else "in memory"
    return Cached(Data(*batches), speeds[0], place)


def _log_schedule(section: TrainConfig, steps_per_epoch: int, artifacts: Path, journal: Journal) -> None:
    """Draws the schedule before training starts: a rate that is not what was meant is seen at once."""
    artifacts.mkdir()
    epochs, rates, first = [], [], 0
    for phase in phase_sections(section):
        at, drawn = sampled(_rate(phase, steps_per_epoch), phase.epochs * steps_per_epoch)
        epochs.append(first + at / steps_per_epoch)
        rates.append(drawn)
        first += phase.epochs
    learning_rates(np.concatenate(epochs), np.concatenate(rates), artifacts / "schedule.png")
    journal.log_artifact(artifacts / "schedule.png")


def _averaging(section: TrainConfig, first_epoch: int) -> keras.callbacks.Callback | None:
    if isinstance(section.averaging, Swa):
        return StochasticWeightAverage(first_epoch + first_averaged_epoch(section.averaging, section.epochs))
    return ValidateMovingAverage() if section.averaging else None


def _validate(network: keras.Model, validation: Batches) -> Epoch:
    """Values of validation by the names that `fit` gives them."""
    dataset = validation.dataset(num_steps=validation.steps_per_epoch)
    values = network.evaluate(dataset, verbose=0, return_dict=True)
    return {f"val_{name}": float(value) for name, value in values.items()}


def _early_stopping(section: EarlyStoppingConfig) -> keras.callbacks.EarlyStopping:
    return keras.callbacks.EarlyStopping(
        monitor=section.monitor,
        mode=direction(section.monitor),
        patience=section.patience,
        min_delta=section.min_delta,
        restore_best_weights=True,
    )


def _plateau(section: ReduceOnPlateauConfig) -> keras.callbacks.ReduceLROnPlateau:
    return keras.callbacks.ReduceLROnPlateau(
        monitor=section.monitor,
        mode=direction(section.monitor),
        factor=section.factor,
        patience=section.patience,
        min_delta=section.min_delta,
        cooldown=section.cooldown,
        min_lr=section.min_learning_rate,
    )


def _write(network: keras.Model, history: History, out: Path, journal: Journal) -> StageResult:
    artifacts = out / "artifacts"
    kept = _without_optimizer(network)
    kept.save(out / "network.keras")
    tree: dict[str, Any] = {"epochs": history.epochs, "best_epoch": history.best_epoch}
    if history.averaged:
        tree["averaged"] = history.averaged
    (out / "history.json").write_text(json.dumps(tree, indent=2) + "\n", encoding="utf-8")
    lines: list[str] = []
    network.summary(line_length=100, expand_nested=True, print_fn=lines.append)
    (artifacts / "model_summary.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    learning_curves(history.epochs, history.best_epoch, artifacts / "curves.png")
    for name in ("curves.png", "model_summary.txt"):
        journal.log_artifact(artifacts / name)

    num_parameters = network.count_params()
    journal.log_metrics(
        {f"best/{name}": value for name, value in history.best.items() if name != "learning_rate"}
        | {"num_parameters": num_parameters, "examples_per_sec": history.examples_per_sec}
    )
    shown = ", ".join(f"{name} {value:.4g}" for name, value in history.best.items() if name.startswith("val_"))
    kept_weights = "the mean of the last epochs" if history.averaged else f"epoch {history.best_epoch}"
    summary = (
        f"{num_parameters:,} parameters, {len(history.epochs)} epochs, "
        f"{history.examples_per_sec:,.0f} examples/s; kept {kept_weights}: {shown}"
    )
    return StageResult(fingerprint(kept), summary)


def _without_optimizer(network: keras.Model) -> keras.Model:
    """A copy that carries no compile state: half the bytes, and nothing to deserialise where it is served."""
    copy = network.__class__.from_config(network.get_config())
    copy.set_weights(network.get_weights())
    return copy
