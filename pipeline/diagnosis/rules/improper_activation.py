"""Rule: wrong output activation or loss."""

from collections.abc import Iterator
from typing import NamedTuple

from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.learning import Learning
from pipeline.diagnosis.remedies import RELU, RIGHT_LOSS, RIGHT_OUTPUT, TANH, Remedy
from pipeline.diagnosis.rules.rule import Rule, if_failed
from pipeline.diagnosis.signals import LOG_LOSSES, RANGES, Facts, Signals

PROPER = {"classes": ("softmax",), "binary": ("sigmoid",), "labels": ("sigmoid",)}
"""Output activations that give what the cross-entropies of a task take, where they do not take logits."""

HARMLESS = {("classes", "sigmoid")}
"""Keras hands the logits of a sigmoid to the loss, which trains as if it were a softmax."""

LINEAR = "No hidden layer has an activation: together they are one linear layer."


class ImproperActivation(Rule):
    """The output does not give what the loss takes, or no hidden layer has an activation.

    A cross-entropy takes probabilities: softmax for classes, sigmoid for yes or no. Anything else is cut off or
    divided by a sum that may be 0. Layers without activations make one linear layer together.
    """

    symptom = "improper_activation"
    source = "Goodfellow et al. 2016, section 6.2.2; UMLAUT (Schoop et al. 2021); Keras's `_keras_logits`"
    shows = "loss"
    remedies = (RIGHT_OUTPUT, RIGHT_LOSS)

    def findings(self, signals: Signals, learning: Learning) -> Iterator[Finding]:
        """Compares the last activation with the loss, and looks for hidden activations: one finding of both."""
        facts = signals.facts
        if not facts.layers:
            return
        linear, harmless = linear_layers(facts), is_harmless(facts)
        faults: list[_Fault] = []
        if problem := output_problem(facts):
            given = {"outputs": facts.num_outputs, "lowest": signals.last.lowest, "highest": signals.last.highest}
            faults.append(_Fault(problem, [facts.layers[-1].name], given, self.remedies))
        if linear:
            faults.insert(0 if harmless else 1, _Fault(LINEAR, linear, {"layers": len(linear)}, (RELU, TANH)))
        if faults:
            yield self.finding(
                signals,
                if_failed(learning) if linear or not harmless else "note",
                " ".join(fault.message for fault in faults),
                layers=[name for fault in faults for name in fault.layers],
                evidence={name: value for fault in faults for name, value in fault.evidence.items()},
                remedies=[remedy for fault in faults for remedy in fault.remedies],
                confidence=0.8,
            )


class _Fault(NamedTuple):
    """One of the two, told together: a symptom is found once."""

    message: str
    layers: list[str]
    evidence: dict[str, float]
    remedies: tuple[Remedy, ...]


def is_harmless(facts: Facts) -> bool:
    """Whether Keras trains as if the output were right, since its activation hands the logits on to the loss."""
    if len(facts.layers[-1].activations) > 1 or facts.loss not in LOG_LOSSES:
        return False
    return (facts.task, facts.output_activation) in HARMLESS or (facts.from_logits and facts.logits_known)


def linear_layers(facts: Facts) -> list[str]:
    """Names of the hidden layers where none of them has an activation; embeddings need none."""
    hidden = [layer for layer in facts.layers[:-1] if layer.kind != "Embedding"]
    return [layer.name for layer in hidden] if all(layer.activation == "linear" for layer in hidden) else []


def output_problem(facts: Facts) -> str:
    """Says why the output does not fit the loss; an empty text: it does."""
    given = facts.output_activation
    proper = PROPER.get(facts.task, ()) if facts.loss.endswith("crossentropy") else ()
    chain = [name for name in facts.layers[-1].activations if name != "unknown"]
    if len(chain) > 1 and chain[0] in RANGES:
        return f"The output goes through {' and '.join(chain)}, one after the other."
    if facts.from_logits:
        if given not in ("softmax", "sigmoid"):
            return ""
        known = " Keras notices and leaves one out." if is_harmless(facts) else ""
        return f"The loss takes logits, but the output has a {given} already: it is applied twice.{known}"
    if given == "softmax" and facts.num_outputs == 1:
        return "A softmax over one output is always 1."
    if proper and given not in proper and given != "unknown":
        return f"{facts.loss} takes probabilities, but the output is {given}; use {proper[0]}."
    if facts.task == "values" and given in ("softmax", "sigmoid", "tanh", "relu") and facts.out_of_reach:
        return f"The output is {given}, which cannot give all the values of the labels; use linear."
    return ""
