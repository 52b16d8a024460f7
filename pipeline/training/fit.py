"""Fits a compiled network: the step loop with what watches it, and what is kept in the end."""

from collections.abc import Sequence

import keras

from pipeline.batches import Batches
from pipeline.diagnosis.findings import Advise
from pipeline.diagnosis.record import Tree, finding_from_tree, finding_to_tree
from pipeline.journal import Journal
from pipeline.progress import progress
from pipeline.recipe.train import (
    EarlyStoppingConfig,
    ReduceOnPlateauConfig,
    Swa,
    TrainConfig,
    direction,
    first_averaged_epoch,
    trained_epochs,
)
from pipeline.training.averaging import StochasticWeightAverage, ValidateMovingAverage, reestimate_batch_norm
from pipeline.training.callbacks import Epoch, EpochLog, FiniteLoss, LossScale, NonFiniteLossError, ProgressBar
from pipeline.training.checkpoint import Place
from pipeline.training.health import record, record_broken, watch
from pipeline.training.history import History
from pipeline.training.loop import Loop, Position
from pipeline.training.preflight import Preflight
from pipeline.training.saving import Saver
from pipeline.training.state import TrainingState


def fit(
    network: keras.Model,
    section: TrainConfig,
    training: Batches,
    validation: Batches,
    *,
    weights: dict[int, float] | None = None,
    first_epoch: int = 0,
    phase: int = 0,
    earlier: Sequence[Tree] = (),
    later_epochs: int = 0,
    saved: keras.Model | None = None,
    saver: Saver,
    journal: Journal,
    advise: Advise = list,
) -> History:
    """Trains over a data path that is a function of the global step; leaves the best weights in `network`.

    Args:
        network: Compiled.
        section: Resolved for the task.
        training: Batches of the training split, counted over all epochs.
        validation: Batches of the validation split, gone through once an epoch.
        weights: Of the examples of each class in the training loss; None: all weigh 1.
        first_epoch: Number of the first epoch, where others came before.
        phase: Number of the phase of transfer learning.
        earlier: What was found in the phases before.
        later_epochs: Epochs of the phases after this one that will be judged: it is no end of theirs.
        saved: What is saved in the end, where it is not `network` itself.
        saver: Has the checkpoint to go on from, and takes those on the way.
        journal: Gets the values of each epoch.
        advise: Tells what the recipe takes of the remedies of a finding.

    Raises:
        NonFiniteLossError: If the loss becomes NaN or infinite.
        TrainingStoppedError: If a signal asked for it; the state is saved then.
    """
    log = EpochLog(journal, training.num_examples)
    stopping = _early_stopping(section.early_stopping) if section.early_stopping else None
    plateau = _plateau(section.reduce_on_plateau) if section.reduce_on_plateau else None
    later_epochs += section.epochs - trained_epochs(section)
    diagnosis = watch(network, section, validation, journal, advise, later_epochs=later_epochs)
    first = section.on_sick != "ignore" and not (phase or first_epoch)
    found = saver.start(phase)
    preflight = (
        Preflight(
            diagnosis,
            training,
            journal,
            advise,
            weighted=weights is not None,
            later_epochs=later_epochs,
            begins=found is None,
            saved=saved,
        )
        if first
        else None
    )
    known = [finding_from_tree(each) for each in earlier]
    epochs = range(first_epoch, first_epoch + trained_epochs(section))
    loop = Loop(network, training, validation, epochs=epochs, class_weights=weights)
    with progress("train", len(epochs) * training.num_examples) as advance:
        averaging, bar = _averaging(section, first_epoch), ProgressBar(advance, training)
        finite = FiniteLoss()
        watching = callbacks(finite, log, stopping, plateau, averaging, bar, diagnosis, preflight)
        state = TrainingState(network, watching, finite.look)

        def restore() -> None:
            if found:
                state.restore(found)
                log.record(log.epochs)
                advance((found.place.epoch - first_epoch) * training.num_examples)

        def passed(position: Position) -> None:
            saver.trail.passed(Place(phase, *position), training, network.steps_per_execution, state.read)
            saver.passed(state, Place(phase, *position))
            if not position.step and (position.epoch == epochs.stop or network.stop_training):
                saver.save(state, Place(phase, *position))

        start = Position(found.place.epoch, found.place.step) if found else None
        try:
            loop.run(watching, start=start, restore=restore, passed=passed)
        except NonFiniteLossError:
            if diagnosis:
                record_broken(diagnosis, journal, advise, known)
            raise
    findings = record(diagnosis, journal, advise, known) if diagnosis else known
    best_epoch = stopping.best_epoch if stopping else log.epochs[-1]["epoch"]
    averaged: Epoch = {}
    if _has_average(section):
        reestimate_batch_norm(network, training, first_step=epochs.stop * training.steps_per_epoch)
        averaged = _validate(network, validation)
    return History(
        log.epochs,
        best_epoch,
        log.examples_per_sec(),
        averaged,
        findings=[finding_to_tree(each) for each in findings],
        stopped=diagnosis is not None and diagnosis.stopped,
    )


def callbacks(
    finite: FiniteLoss,
    log: EpochLog,
    stopping: keras.callbacks.EarlyStopping | None,
    plateau: keras.callbacks.ReduceLROnPlateau | None,
    averaging: keras.callbacks.Callback | None,
    bar: ProgressBar,
    diagnosis: keras.callbacks.Callback | None,
    preflight: keras.callbacks.Callback | None,
) -> list[keras.callbacks.Callback]:
    """Lists what watches a training, in the order in which it is called.

    Whoever may fail the run comes first; who changes the learning rate comes before the log, which records that of the
    next step. The diagnosis sees the weights of the epoch, before early stopping puts back those of the best; the
    pre-flight looks at its first reading.
    """
    found = (finite, plateau, averaging, LossScale(), log, bar, diagnosis, preflight, stopping)
    return [callback for callback in found if callback]


def _has_average(section: TrainConfig) -> bool:
    """Whether a mean of weights is kept: training did not pause before the first epoch that counts."""
    swa = section.averaging
    return isinstance(swa, Swa) and trained_epochs(section) > first_averaged_epoch(swa, section.epochs)


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
