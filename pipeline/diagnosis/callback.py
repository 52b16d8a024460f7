"""The public callback: watches any Keras training, says what is wrong with it, in which layer, since when."""
# ruff: noqa: ARG002  (Keras hands all arguments to each method, by name)

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import keras
import numpy as np

from pipeline.compute.memory import used_share
from pipeline.diagnosis.diagnose import FIRST_QUESTION, diagnose, merged
from pipeline.diagnosis.examples import check_arrays
from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.probe import Probe
from pipeline.diagnosis.record import seen_from_text, seen_to_text
from pipeline.diagnosis.schedule import is_judged, is_noise_measured, is_probed, is_watched
from pipeline.diagnosis.signals import Epoch, Signals
from pipeline.diagnosis.steps import StepWatch
from pipeline.diagnosis.unfit import check_model, unfit_labels
from pipeline.errors import UserError


class Diagnosis(keras.callbacks.Callback):  # type: ignore[misc]
    """Diagnoses a training while `fit` runs it; changes nothing of it, unless told to stop it.

    >>> diagnosis = Diagnosis(x_probe, y_probe)
    >>> model.fit(x, y, epochs=50, callbacks=[diagnosis])
    >>> diagnosis.findings

    The model needs a compiled loss, or several. Metrics that are not one number are left out of account.

    Args:
        x_probe: A few hundred examples, as `fit` takes them, best from the validation split; up to 256 are passed
            through the network, up to 1,024 tell what a simple model gets, evenly spaced ones.
        y_probe: Their labels.
        on_sick: `stop` ends the training at the first critical finding.
        later_epochs: Epochs of the plan that this `fit` leaves to a later one; the training is judged by all of it.
        say: Called with findings above a note when they are made, the gravest first.

    Raises:
        UserError: If examples and labels are no arrays of equal length.
    """

    state_fields = ("seen", "steps_read", "stopped")
    """What a checkpoint of `pipeline.training` keeps of it, beside its `variables`."""

    def __init__(
        self,
        x_probe: Any,
        y_probe: Any,
        *,
        on_sick: Literal["warn", "stop"] = "warn",
        later_epochs: int = 0,
        say: Callable[[list[Finding]], None] = lambda _: None,
    ):
        super().__init__()
        check_arrays(x_probe=x_probe, y_probe=y_probe)
        self._say = say
        self._x, self._y = x_probe, y_probe
        self._on_sick, self._later_epochs = on_sick, later_epochs
        self._readings: list[Any] = []
        self._epochs: list[Epoch] = []
        self._started, self._begun = 0.0, 0
        self.steps_read: int | None = 0
        """Optimiser steps at the last look; None: what was `seen` comes from elsewhere, so that what changed since is
        unknown."""
        self.findings: list[Finding] = []
        """What was found, the gravest first; findings stay once they are made."""
        self.stopped = False
        """Whether this ended the training before its plan."""

    @property
    def examples(self) -> tuple[Any, Any]:
        """What it was given to look at, and the labels."""
        return self._x, self._y

    @property
    def healthy(self) -> bool:
        """Whether nothing was found above `note`."""
        return all(finding.severity == "note" for finding in self.findings)

    @property
    def seen(self) -> str:
        """All that was seen and said so far, as text; setting it goes on from there."""
        return seen_to_text(self._readings, self._epochs, self.findings)

    @seen.setter
    def seen(self, text: str) -> None:
        self._readings, self._epochs, self.findings = seen_from_text(text)
        self.steps_read = None

    @property
    def variables(self) -> list[keras.Variable]:
        """The weights at the last look, from which the next one tells what changed."""
        return self._probe.variables

    @property
    def signals(self) -> Signals:
        """All that was seen so far."""
        return Signals(self._facts, tuple(self._readings), tuple(self._epochs), self._ended)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Looks before the first step.

        Raises:
            UserError: If the model has no compiled loss, or one that cannot take the labels, or a stateful layer.
        """
        self._ended = False
        check_model(self.model)
        if problem := unfit_labels(self.model, self._x, self._y):
            raise UserError(f"Diagnosis: {self.model.name} cannot learn from these labels: {problem}")
        planned, steps = self.params["epochs"], self.params.get("steps") or 0
        self._probe, self._step_watch = Probe(self.model, self._x, self._y), StepWatch(self.model, steps)
        first = self._probe.read(0)
        self._facts = self._probe.facts(planned + self._later_epochs, steps)
        self._readings, self._epochs, self.findings = [first], [], []
        self.steps_read, self.stopped = self._probe.steps, False
        self._diagnose()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Starts the clock; watches the steps where the schedule says so."""
        self._begun = epoch
        begun = self._first_epoch
        if is_watched(epoch + 1 - begun, self._facts.planned_epochs - begun):
            self._step_watch.begin()
        self._started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Takes note of the epoch; looks where the schedule says so."""
        done = epoch + 1
        values = {
            name: float(value) for name, value in (logs or {}).items() if isinstance(value, float) or not np.ndim(value)
        }
        begun, planned = self._first_epoch, self._facts.planned_epochs
        judged = is_judged(done - begun, planned - begun)
        again = done < planned and FIRST_QUESTION.looks_again(self.signals, done, judged=judged)
        judged, probed = judged or again, again or is_probed(done - begun, planned - begun)
        clocked = self._clocked(done, values)
        self._epochs.append(self._asked_of(clocked) if probed or judged else clocked)
        if probed:
            self._look(done)
        if judged or not math.isfinite(values.get("loss", 0.0)):
            self._diagnose()
            # Not before the first epoch is over: a training without one has no history, and no value to judge it by.
            is_critical = any(finding.severity == "critical" for finding in self.findings)
            if self._on_sick == "stop" and is_critical and done < planned:
                self.model.stop_training = self.stopped = True

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Looks a last time, and judges the training as a whole, unless it goes on later."""
        if self._epochs and self._readings[-1].epoch < self._epochs[-1].epoch:
            self._look(self._epochs[-1].epoch)
            self._epochs[-1] = self._asked_of(self._epochs[-1])
        self._ended = not self._later_epochs
        self._diagnose()

    def break_off(self) -> None:
        """Judges a training that ended within an epoch because its loss was no number."""
        self.on_epoch_end(self._begun, {"loss": math.nan})
        self.on_train_end()

    @property
    def _first_epoch(self) -> int:
        """Epochs that were over when the training began; `seen` may have been put back within an epoch."""
        return self._epochs[0].epoch - 1 if self._epochs else self._begun

    def _clocked(self, epoch: int, logs: dict[str, float]) -> Epoch:
        secs = time.perf_counter() - self._started
        step_secs, wait_share = self._step_watch.end()
        return Epoch(epoch, logs, secs=secs, step_secs=step_secs, wait_share=wait_share)

    def _asked_of(self, epoch: Epoch) -> Epoch:
        """With what takes longer to ask than an epoch of a small network is worth."""
        optimizer = self.model.optimizer
        scale = getattr(optimizer, "dynamic_scale", None)
        return replace(
            epoch,
            learning_rate=float(optimizer.learning_rate),
            memory_share=used_share(),
            loss_scale=math.nan if scale is None else float(scale),
        )

    def _look(self, epoch: int) -> None:
        with_noise = is_noise_measured(epoch - self._first_epoch)
        self._readings.append(self._probe.read(epoch, steps_before=self.steps_read, with_noise=with_noise))
        self.steps_read = self._probe.steps

    def _diagnose(self) -> None:
        before = {finding.symptom: finding.rank for finding in self.findings}
        self.findings = merged(self.findings, diagnose(self.signals))
        new = [finding for finding in self.findings if finding.rank > before.get(finding.symptom, 0)]
        if new:
            self._say(new)
