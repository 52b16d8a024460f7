"""Check: whether the network can learn a single batch by heart."""

import math
from collections.abc import Iterator

from pipeline.diagnosis.before.check import Check
from pipeline.diagnosis.before.seen import Seen
from pipeline.diagnosis.findings import Finding, Severity
from pipeline.diagnosis.remedies import REINITIALIZE, RELU, TANH, wider


class OneBatch(Check):
    """A network that cannot learn a few examples by heart will not learn many: something is broken.

    Dropout, augmentation and penalties are off; Adam tries several learning rates. Of a network with fewer weights than
    there are examples, or with frozen ones, less is expected: it has to learn something.
    """

    symptom = "cannot_overfit"
    title = "overfit one batch"
    source = 'Karpathy 2019, A Recipe for Training Neural Networks ("overfit one batch")'
    remedies = (TANH, RELU, REINITIALIZE)

    min_gain: float = 0.1
    """Score above chance, below which nothing at all was learnt."""

    def words(self, seen: Seen) -> str:
        """How far it got."""
        trial = seen.trial
        if trial is None or not math.isfinite(trial.first_loss):
            return ""
        name = "R²" if seen.facts.task == "values" else "accuracy"
        score = "" if math.isnan(trial.score) else f", {name} {trial.score:.2g}"
        late = "" if trial.in_time else "; out of time, not judged"
        taken = f"{trial.num_examples} examples, {trial.num_steps} steps"
        return f"loss {trial.first_loss:.3g} → {trial.last_loss:.2g}{score} ({taken}){late}"

    def findings(self, seen: Seen) -> Iterator[Finding]:
        """Says how far it got, where it did not get there."""
        trial = seen.trial
        if trial is None or trial.solved or not trial.in_time:
            return
        severity: Severity = "critical" if trial.score < trial.chance + self.min_gain else "warning"
        free = sum(layer.num_weights for layer in seen.weights if layer.trainable)
        if severity == "warning" and (free < trial.num_examples or not all(layer.trainable for layer in seen.weights)):
            severity = "note"
        score = f"; score {trial.score:.2g}, that of a constant answer {trial.chance:.2g}"
        reached = "" if math.isnan(trial.score) else score
        yield self.finding(
            severity,
            f"{trial.num_examples} examples cannot be learnt by heart in {trial.num_steps} steps of Adam: the loss "
            f"went from {trial.first_loss:.3g} to {trial.last_loss:.2g}{reached}.",
            evidence={"first loss": trial.first_loss, "last loss": trial.last_loss, "score": trial.score},
            remedies=(*self.remedies, wider(seen.facts)),
        )
