"""Check: the learning rate for its optimiser and plan."""

import math
from collections.abc import Iterator

import numpy as np

from pipeline.diagnosis.before.check import Check
from pipeline.diagnosis.before.seen import Seen
from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.remedies import DEFAULT_ADAM, rate_of
from pipeline.diagnosis.rules.too_large_steps import ADAPTIVE, TooLargeSteps
from pipeline.diagnosis.signals import Column

PLAUSIBLE: dict[str, tuple[float, float]] = {
    **dict.fromkeys(ADAPTIVE, (1e-7, TooLargeSteps().max_adaptive_rate)),
    "Lion": (1e-7, 0.01),
    "SGD": (1e-6, 1.0),
    "Adagrad": (1e-5, 1.0),
    "Ftrl": (1e-5, 1.0),
    "Adadelta": (1e-4, 10.0),
}
"""Keras optimisers to the smallest and the largest learning rate that is any use; others are not judged."""

USUAL = {"SGD": 0.01, "Lion": 1e-4, "Adadelta": 1.0, "Adagrad": 0.01}
"""Rates to begin with where Adam's 0.001 is not: Bengio 2012, Chen et al. 2023, Zeiler 2012, Duchi et al. 2011."""


class LearningRate(Check):
    """Too high a rate throws away at each step what was learnt before; too low a one gets nowhere within the plan.

    Adam and its kin move a weight by at most about the rate a step, so that rate times steps says how far it can get.
    """

    symptom = "learning_rate"
    title = "learning rate"
    source = (
        "Bengio 2012, https://arxiv.org/abs/1206.5533, section 3.1.1; Kingma and Ba 2015, section 2.1; Chen et al. 2023"
    )
    remedies = (DEFAULT_ADAM,)

    min_reach: float = 0.01
    """How far the weights of any layer can move over the whole plan, relative to their size; asked below a tenth of the
    usual rate, as else the plan is too short."""
    max_effective: float = 10.0
    """Rate of gradient descent divided by 1 − momentum; super-convergence (Smith and Topin 2019) peaks near 7."""

    def words(self, seen: Seen) -> str:
        """The rate beside what is plausible."""
        facts = seen.facts
        if facts.optimizer not in PLAUSIBLE or math.isnan(facts.learning_rate):
            return ""
        low, high = PLAUSIBLE[facts.optimizer]
        return f"{facts.learning_rate:.3g} for {facts.optimizer}; plausible: {low:g} to {high:g}"

    def findings(self, seen: Seen) -> Iterator[Finding]:
        """Compares the peak of the schedule with the range, then with how far it gets."""
        facts = seen.facts
        low, high = PLAUSIBLE[facts.optimizer]
        given, usual = facts.learning_rate, USUAL.get(facts.optimizer, 0.001)
        effective = given / max(1e-3, 1 - facts.momentum) if facts.optimizer == "SGD" else 0.0
        remedies = (rate_of(usual), DEFAULT_ADAM) if facts.optimizer != "Adam" else (rate_of(usual),)
        evidence = {"learning rate": given, "momentum": facts.momentum}
        if given >= high or effective > self.max_effective:
            momentum = f" with a momentum of {facts.momentum:g}" if effective > self.max_effective else ""
            message = f"A learning rate of {given:.3g}{momentum} is too high for {facts.optimizer}; {usual:g} is usual."
            yield self.finding("warning", message, evidence=evidence, remedies=remedies)
            return
        reach = _reach(seen)
        if given < low or (reach < self.min_reach and given < usual / 10):
            far = (
                ""
                if math.isinf(reach)
                else f": in {seen.num_steps:,} steps no layer moves by more than {reach:.1g} of its size"
            )
            message = f"A learning rate of {given:.3g} is too low for {facts.optimizer}{far}; {usual:g} is usual."
            yield self.finding("warning", message, evidence={**evidence, "reach": reach}, remedies=remedies)


def _reach(seen: Seen) -> float:
    """How far the weights of the layer that moves most can get over the plan, relative to their size."""
    facts = seen.facts
    trainable = [place for place, layer in enumerate(facts.layers) if layer.trainable]
    if seen.reading is None or not trainable or facts.optimizer not in (*ADAPTIVE, "SGD"):
        return math.inf
    table = seen.reading.layers[trainable]
    pace = table[:, Column.GRADIENT] / max(1e-3, 1 - facts.momentum) if facts.optimizer == "SGD" else 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(
            np.nan_to_num(facts.learning_rate * seen.num_steps * pace / table[:, Column.WEIGHT], nan=np.inf).max()
        )
