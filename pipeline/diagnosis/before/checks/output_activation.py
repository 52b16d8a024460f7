"""Check: the output beside the loss."""

from collections.abc import Iterator

from pipeline.diagnosis.before.check import Check
from pipeline.diagnosis.before.seen import Seen
from pipeline.diagnosis.findings import Finding, Severity
from pipeline.diagnosis.remedies import RELU, RIGHT_LOSS, RIGHT_OUTPUT, TANH, Remedy
from pipeline.diagnosis.rules.improper_activation import (
    LINEAR,
    ImproperActivation,
    is_harmless,
    linear_layers,
    output_problem,
)

ONE_OF_SEVERAL = Remedy({"data.task": "multiclass"}, "one answer of several, instead of yes or no to each")


class OutputActivation(Check):
    """The output must give what the loss takes, once: softmax for one of C classes, sigmoid for yes or no.

    Logits go to a loss with `from_logits=True`; a loss that takes logits gets none of an output with a softmax.
    Hidden layers need an activation, or all of them together are one linear layer.
    """

    symptom = ImproperActivation.symptom
    title = "output and loss"
    source = ImproperActivation.source
    remedies = (RIGHT_OUTPUT, RIGHT_LOSS)

    def words(self, seen: Seen) -> str:
        """The last activation and the loss."""
        facts = seen.facts
        if not facts.layers or facts.task == "unknown":
            return ""
        logits = " from logits" if facts.from_logits else ""
        return f"{facts.output_activation} into {facts.loss}{logits}"

    def findings(self, seen: Seen) -> Iterator[Finding]:
        """Says what the rule of the same name would say of a training that fails."""
        facts, outputs = seen.facts, {"outputs": seen.facts.num_outputs}
        names_one = seen.exclusive and facts.output_activation == "softmax" and not facts.from_logits
        if (problem := output_problem(facts)) and not names_one:
            severity: Severity = "note" if is_harmless(facts) else "warning"
            yield self.finding(severity, problem, layers=[facts.layers[-1].name], evidence=outputs)
        if seen.exclusive:
            words = (
                f"as softmax says, but {facts.loss} takes each by itself; categorical_crossentropy goes with softmax."
                if names_one
                else f"but {facts.output_activation} answers to each by itself; softmax with categorical_crossentropy "
                "says which one."
            )
            yield self.finding(
                "note",
                f"Each example has one of {facts.num_outputs} classes, {words}",
                layers=[facts.layers[-1].name],
                evidence=outputs,
                remedies=(ONE_OF_SEVERAL,),
            )
        if linear := linear_layers(facts):
            evidence = {"linear layers": len(linear)}
            yield self.finding("warning", LINEAR, layers=linear, evidence=evidence, remedies=(RELU, TANH))
