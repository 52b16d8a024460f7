"""Rule: wrong output activation or loss."""

from collections.abc import Iterator

from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.learning import Learning
from pipeline.diagnosis.remedies import RELU, RIGHT_LOSS, RIGHT_OUTPUT, TANH
from pipeline.diagnosis.rules.rule import Rule, if_failed
from pipeline.diagnosis.signals import Facts, Signals

PROPER = {"classes": ("softmax", "log_softmax"), "binary": ("sigmoid",), "labels": ("sigmoid",)}
"""Output activations that give what the losses of a task take, where they do not take logits."""

HARMLESS = {("classes", "sigmoid")}
"""Keras hands the logits of a sigmoid to the loss, which trains as if it were a softmax."""


class ImproperActivation(Rule):
    """The output does not give what the loss takes, or no hidden layer has an activation.

    A cross-entropy takes probabilities: softmax for classes, sigmoid for yes or no. Anything else is cut off or
    divided by a sum that may be 0. Layers without activations make one linear layer together.
    """

    symptom = "improper_activation"
    source = "Goodfellow et al. 2016, section 6.2.2; UMLAUT (Schoop et al. 2021); Keras's `_keras_logits`"
    remedies = (RIGHT_OUTPUT, RIGHT_LOSS)

    def findings(self, signals: Signals, learning: Learning) -> Iterator[Finding]:
        """Compares the last activation with the loss, then looks for hidden activations."""
        facts = signals.facts
        if not facts.layers:
            return
        output, given = facts.layers[-1], facts.output_activation
        problem = self._problem(facts)
        if problem:
            harmless = (facts.task, given) in HARMLESS
            yield self.finding(
                signals,
                "note" if harmless else if_failed(learning),
                problem,
                layers=[output.name],
                confidence=0.8,
            )
        hidden = facts.layers[:-1]
        if hidden and all(layer.activation == "linear" for layer in hidden):
            yield self.finding(
                signals,
                if_failed(learning),
                "No hidden layer has an activation: together they are one linear layer.",
                layers=[layer.name for layer in hidden],
                remedies=(RELU, TANH),
                confidence=0.8,
            )

    def _problem(self, facts: Facts) -> str:
        given, proper = facts.output_activation, PROPER.get(facts.task, ())
        if facts.from_logits:
            if given in ("softmax", "sigmoid"):
                return f"The loss takes logits, but the output has a {given} already: it is applied twice."
            return ""
        if len([name for name in facts.layers[-1].activations if name in ("softmax", "sigmoid")]) > 1:
            return f"The output goes through {' and '.join(facts.layers[-1].activations)}, one after the other."
        if given == "softmax" and facts.num_outputs == 1:
            return "A softmax over one output is always 1."
        if proper and given not in proper and given != "unknown":
            return f"{facts.loss} takes probabilities, but the output is {given}; use {proper[0]}."
        if facts.task == "values" and given in ("softmax", "sigmoid", "tanh", "relu") and facts.out_of_reach:
            return f"The output is {given}, which cannot give all the values of the labels; use linear."
        return ""
