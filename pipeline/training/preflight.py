"""The pre-flight at the start of a training: says what is known to be wrong before the first step."""

from typing import Any

import keras

from pipeline.batches import Batches
from pipeline.diagnosis.before import Seen, judge
from pipeline.diagnosis.before.look import glance, tried
from pipeline.diagnosis.callback import Diagnosis
from pipeline.diagnosis.findings import Advise
from pipeline.diagnosis.probe import plan_facts
from pipeline.journal import Journal
from pipeline.training.health import in_words, record_checks

LONG = 20_000
"""Steps of a training beside which those of a batch learnt by heart, at most `before.trial.MAX_STEPS` at each of its
rates, are few."""


class Preflight(keras.callbacks.Callback):  # type: ignore[misc]
    """Says before the first step what is known to be wrong, from the labels and the reading that the diagnosis takes.

    What takes seconds of its own (a batch learnt by heart, saved and loaded) is tried at the beginning of a training so
    long that it does not matter; `plumbline check` always tries it.

    Args:
        diagnosis: Called before this; None: there is no reading, only plan, optimiser, layers and labels.
        training: Batches of the training split.
        weighted: Whether examples of rare classes weigh more.
        journal: Gets a line for each finding above a note that the diagnosis did not make as well.
        advise: Tells what the recipe takes of the remedies.
        later_epochs: Epochs of the plan after those that are trained now.
        begins: Whether the training begins, rather than goes on from a checkpoint.
        saved: What is saved in the end, where it is not the model itself.
    """

    def __init__(
        self,
        diagnosis: Diagnosis | None,
        training: Batches,
        journal: Journal,
        advise: Advise,
        *,
        weighted: bool,
        later_epochs: int,
        begins: bool = True,
        saved: keras.Model | None = None,
    ):
        super().__init__()
        self._later_epochs, self._begins, self._saved = later_epochs, begins, saved
        self._diagnosis, self._training, self._journal, self._advise = diagnosis, training, journal, advise
        self._balanced = weighted or training.is_balanced

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002  (Keras's name)
        """Looks once; a training that goes on says what it said before, which the journal does not repeat."""
        signals = self._diagnosis.signals if self._diagnosis else None
        training, reading = self._training, signals.first if signals else None
        planned = self.params["epochs"] + self._later_epochs
        facts = signals.facts if signals else plan_facts(self.model, planned, training.steps_per_epoch)
        seen = glance(
            self.model,
            facts,
            reading,
            batch_size=training.batch_size,
            labels=training.labels,
            balanced=self._balanced,
        )
        if self._diagnosis and self._begins and self.params["epochs"] * training.steps_per_epoch >= LONG:
            seen = self._tried(seen, *self._diagnosis.examples)
        report = judge(seen).advised(self._advise)
        record_checks(report, self._journal)
        said = {finding.symptom for finding in self._diagnosis.findings if finding.rank} if self._diagnosis else ()
        for finding in report.findings:
            if finding.rank and finding.symptom not in said:
                self._journal.say(f"check: {in_words(finding)}. More: plumbline check")

    def _tried(self, seen: Seen, x: Any, y: Any) -> Seen:
        self._journal.say("check: learns a batch by heart, saves and loads the network")
        try:
            return tried(seen, self.model, x, y, saved=self._saved)
        # It takes memory, and passes of its own: what fails in them says nothing of the training, which goes on.
        except Exception as error:
            self._journal.say(f"check: that was not possible: {type(error).__name__}: {error}")
            return seen
