"""The train stage: fits the network of a recipe on prepared examples and writes the weights of its best epoch."""

import contextlib
import functools
import hashlib
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from models.config import TransferConfig
from models.transfer import pretrained_layers
from pipeline.batches import Batches, read_prepared
from pipeline.compute.budget import report
from pipeline.compute.settle import settle
from pipeline.diagnosis.findings import Advise
from pipeline.diagnosis.record import Tree
from pipeline.figures import learning_curves, learning_rates
from pipeline.journal import Journal, StageResult
from pipeline.recipe.phases import phase_sections
from pipeline.recipe.train import (
    TrainConfig,
)
from pipeline.recipe.warnings import warnings
from pipeline.training.assemble import Assembled, assemble, build_rate, compile_learner
from pipeline.training.fit import fit
from pipeline.training.history import History
from pipeline.training.interruption import Interruption
from pipeline.training.saving import Saver
from pipeline.training.schedules import sampled
from pipeline.training.setup import TrainingSetup
from pipeline.training.trail import TRAIL, Footprint, Trail
from pipeline.transfer.features import compute_features
from pipeline.transfer.phases import Cached, Data, fit_phases, plan_phases
from pipeline.transfer.record import record_transfer


def train(
    setup: TrainingSetup,
    *,
    out: Path,
    journal: Journal,
    check: Callable[[Footprint], None] = lambda _: None,
    advise: Advise = list,
) -> StageResult:
    """Builds a network, fits it on the training split and writes the weights of its best epoch.

    Writes `network.keras` (prepared tensors -> probabilities or values, float32; not compiled), `history.json` and
    `artifacts/` (the schedule where the rate moves, learning curves, summary of the network; `transfer.json` of
    transfer learning), `trail.json` (hashes that a replay compares) and `checkpoints/` (the state at the end, unless it
    is not to be kept).

    Args:
        setup: What to train.
        out: Folder to write into; one that holds a checkpoint is gone on with.
        journal: Record of the stage: one value a metric and epoch, `best/*` for the epoch kept.
        check: Called with the hashes of chosen steps as they are taken.
        advise: Tells what the recipe takes of the remedies of a finding.

    Raises:
        UserError: If the network, the loss, the metric to watch or the optimiser does not fit the data.
        NonFiniteLossError: If the loss becomes NaN or infinite.
        TrainingStoppedError: If a signal asked for it; called again with the same folder, the training goes on.
    """
    interruption = Interruption()
    saver = Saver(setup.section.checkpoint, out, journal, interruption, Trail(check))
    begins = saver.found is None
    settled = settle(setup, out=out, journal=journal)
    setup, started = settled.setup, time.perf_counter()
    assembled = assemble(setup)
    section, network = assembled.section, assembled.network
    journal.say(f"precision: {assembled.policy} ({assembled.policy_reason})")
    for warning in warnings(setup.model):
        journal.say(f"warning: {warning}")
    _log_schedule(section, assembled.training.steps_per_epoch, out / "artifacts", journal)
    with interruption.held(), contextlib.closing(saver):
        if isinstance(setup.model, TransferConfig):
            cache = None if setup.augment else functools.partial(_features, setup, out)
            history = _fit_transfer(assembled, setup.model.source, cache, saver, out, journal, advise)
        else:
            data, weights = Data(assembled.training, assembled.validation), assembled.class_weights
            history = fit(
                assembled.learner,
                section,
                *data,
                weights=weights,
                saved=network,
                saver=saver,
                journal=journal,
                advise=advise,
            )
    if settled.forecast and begins:
        secs = time.perf_counter() - started
        report(settled.forecast, epochs=len(history.epochs), secs=secs, journal=journal)
    result = _write(network, history, out, journal)
    (out / TRAIL).write_text(json.dumps(saver.conditions), encoding="utf-8")
    saver.end()
    return result


def fingerprint(network: keras.Model) -> str:
    """Hashes a network that is not compiled: its architecture and the bytes of its weights."""
    digest = hashlib.blake2b(network.to_json().encode(), digest_size=16)
    for weight in network.get_weights():
        digest.update(weight.tobytes())
    return digest.hexdigest()


def _fit_transfer(
    assembled: Assembled,
    source: str,
    cache: Callable[[keras.Model], Cached] | None,
    saver: Saver,
    out: Path,
    journal: Journal,
    advise: Advise,
) -> History:
    """Fits the head, then what the recipe unfreezes."""
    network = assembled.network

    def learn(
        network: keras.Model,
        section: TrainConfig,
        data: Data,
        *,
        first_epoch: int = 0,
        phase: int = 0,
        earlier: Sequence[Tree] = (),
        later_epochs: int = 0,
        factors: Mapping[Any, float] | None = None,
    ) -> History:
        rate = build_rate(section, data.training.steps_per_epoch)
        learner = compile_learner(
            network,
            section,
            assembled.task,
            rate=rate,
            policy=assembled.policy,
            training=data.training,
            factors=factors,
        )
        weights = assembled.class_weights
        return fit(
            learner,
            section,
            *data,
            weights=weights,
            first_epoch=first_epoch,
            phase=phase,
            earlier=earlier,
            later_epochs=later_epochs,
            saved=network,
            saver=saver,
            journal=journal,
            advise=advise,
        )

    phases = plan_phases(assembled.section, [layer.name for layer in pretrained_layers(network)])
    record_transfer(network, phases, assembled.left_out, source, out / "artifacts" / "transfer.json", journal)
    data = Data(assembled.training, assembled.validation)
    return fit_phases(network, phases, data, learn=learn, cache=cache, saver=saver, journal=journal)


def _features(setup: TrainingSetup, out: Path, extractor: keras.Model) -> Cached:
    """Batches of the features of the frozen part, in the order that the images would have."""
    batches, speeds = [], []
    for split, order in (("train", {"sampling": setup.sampling}), ("validation", {"shuffle": False})):
        arrays, label = read_prepared(setup.prepared / split, setup.memory)
        features = compute_features(extractor, arrays, out / "features" / f"{split}.npy", setup.memory)
        batches.append(Batches(features.arrays, label, batch_size=setup.batch_size, seed=setup.seed, **order))
        speeds.append(features.examples_per_sec)
    # The files are open: the space is free once they are no longer read.
    shutil.rmtree(out / "features", ignore_errors=True)
    place = "on disk" if isinstance(features.arrays["features"], np.memmap) else "in memory"
    return Cached(Data(*batches), speeds[0], place)


def _log_schedule(section: TrainConfig, steps_per_epoch: int, artifacts: Path, journal: Journal) -> None:
    """Draws the schedule before training starts, if the rate moves: one that is not what was meant is seen at once."""
    artifacts.mkdir(exist_ok=True)
    epochs, rates, first = [], [], 0
    for phase in phase_sections(section):
        at, drawn = sampled(build_rate(phase, steps_per_epoch), phase.epochs * steps_per_epoch)
        epochs.append(first + at / steps_per_epoch)
        rates.append(drawn)
        first += phase.epochs
    planned = np.concatenate(rates)
    if np.ptp(planned) > 0:
        learning_rates(np.concatenate(epochs), planned, artifacts / "schedule.png")
        journal.log_artifact(artifacts / "schedule.png")


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
    learning_curves(history.epochs, history.best_epoch, artifacts / "curves.png", phase_starts=history.phase_starts)
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
