"""Trainings of `benchmarks/diagnosis.py`, with the public callback and without; what was trained is kept in a folder.

A benchmark that was killed goes on with what is kept, and rules that changed are judged on the same trainings again: a
diagnosis is a function of what the callback saw.
"""

import math
import pickle
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np

from benchmarks.diagnosed.cases import Case, Data
from pipeline.diagnosis import Diagnosis
from pipeline.diagnosis.diagnose import diagnose, merged
from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.schedule import is_judged
from pipeline.diagnosis.signals import Signals


@dataclass(frozen=True)
class Training:
    """One training, as it ended."""

    scores: Sequence[float]
    """Validation accuracy, or R² of values, of each epoch."""
    broken: bool
    """Whether a loss or a weight is not finite."""
    cpu_secs: float
    """Processor time of `fit`, compilation among it, over all threads."""
    signals: Signals | None = None
    """What the callback saw; None: trained without."""
    overrides: dict[str, Any] = field(default_factory=dict)
    """What a repair changed."""


def fit(
    model: keras.Model,
    case: Case,
    data: Data,
    seed: int,
    *,
    epochs: int = 0,
    on_sick: Literal["warn", "stop"] | None = "warn",
    callbacks: Sequence[keras.callbacks.Callback] = (),
    overrides: Mapping[str, Any] | None = None,
) -> Training:
    """Trains a case.

    Args:
        model: Compiled.
        case: What is trained.
        data: Its examples.
        seed: Of the order of the examples.
        epochs: How long; 0: as the case plans.
        on_sick: Of the callback; None: without it.
        callbacks: Called before it.
        overrides: What was changed of the case, to be remembered.
    """
    watcher = None if on_sick is None else Diagnosis(data.x_val, data.y_val, on_sick=on_sick)
    started = time.process_time()
    history = model.fit(
        data.training(case.batch_size, seed),
        steps_per_epoch=data.num_steps(case.batch_size),
        epochs=epochs or case.epochs,
        validation_data=data.validation(),
        shuffle=False,
        verbose=0,
        callbacks=[*callbacks, *([watcher] if watcher else [])],
    ).history
    secs = time.process_time() - started
    finite = np.isfinite(history["loss"]).all() and all(np.isfinite(each).all() for each in model.get_weights())
    keras.backend.clear_session()
    signals = watcher.signals if watcher else None
    return Training(history[case.metric], not finite, secs, signals, dict(overrides or {}))


def kept(folder: Path, case: Case, seed: int, *, watched: bool = True) -> Training | None:
    """The training that is kept of a case, if there is one."""
    file = _file(folder, case, seed, watched=watched)
    return pickle.loads(file.read_bytes()) if file.exists() else None


def train(folder: Path, case: Case, seed: int, *, watched: bool = True) -> Training:
    """Trains a case from its initial weights and keeps the training, unless one is kept already."""
    done = kept(folder, case, seed, watched=watched)
    if done is None:
        data = case.data()
        model = case.build(seed)
        done = fit(model, case, data, seed, on_sick="warn" if watched else None)
        _file(folder, case, seed, watched=watched).write_bytes(pickle.dumps(done))
        print(case.id, seed, "watched" if watched else "plain", f"{done.cpu_secs:.1f} CPU s", flush=True)
    return done


def replay(signals: Signals) -> list[Finding]:
    """The findings that the callback made of the same training, epoch by epoch."""
    findings: list[Finding] = []
    losses = {each.epoch: each["loss"] for each in signals.epochs}
    looked = {each.epoch for each in signals.readings[:-1]}
    for epoch in range(signals.epoch + 1):
        judged = epoch in looked or is_judged(epoch, signals.facts.planned_epochs)
        if judged or not math.isfinite(losses.get(epoch, 0.0)):
            findings = merged(findings, diagnose(replace(signals.until(epoch), ended=False)))
    return merged(findings, diagnose(replace(signals, ended=True)))


def _file(folder: Path, case: Case, seed: int, *, watched: bool) -> Path:
    return folder / f"{case.id.replace('/', '_')}.{seed}{'' if watched else '.plain'}.training"
