"""Which changes a repair tries, in which order: a whole of what networks train with, fitted to the findings.

One remedy at a time is slow where two things are wrong, and a symptom often hides its cause. So each candidate joins an
activation and the weights that belong to it, Adam at a rate that fits the plan, and what the findings name for sure.
"""

from collections.abc import Iterator, Sequence

from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.remedies import DEFAULT_ADAM, REINITIALIZE, RELU, STANDARDIZE, TANH, Remedy, smaller_from

NAMED_FOR_SURE = ("wrong_labels", "improper_activation", "abnormal_input", "loss_scale_collapse")
"""Symptoms that are read off the network or its data, as layers are that are too narrow (`underfitting`): their first
remedy is part of every candidate."""

LEARNS = ("overfitting", "loss_scale_collapse")
"""Symptoms of a network that learns: where there is no other, its activations and its optimiser are left alone."""

LATE = ("too_large_steps", "exploding_gradient", "nan", "diverging", "oscillating_loss")
"""Symptoms of steps that became too large for a network that had learnt: training can go on from before they began.

Weights that were wrong from the start, dead or saturated units, and changes of the network need a new start.
"""

BODIES = (TANH, REINITIALIZE, RELU)
"""What the hidden layers of small dense networks become, in this order: tanh, what they were with weights that fit it,
ReLU."""

DEEP_BODIES = (REINITIALIZE, RELU, TANH)
"""The same for families of networks that are known with their activation, such as convolutional ones."""

Parts = tuple[Remedy, ...]
"""Remedies that are tried together."""


def candidates(
    findings: Sequence[Finding], healthy_epochs: int = 0, bodies: Sequence[Remedy] = BODIES
) -> Iterator[Parts]:
    """Yields what to try for the findings of a sick training, the most promising first.

    Args:
        findings: The gravest first; notes are left out of account.
        healthy_epochs: Epochs after which the training had learnt and nothing was wrong; 0: there were none.
        bodies: What hidden layers become, the most promising first.
    """
    grave = [finding for finding in findings if finding.rank]
    if grave and all(finding.symptom in LEARNS for finding in grave):
        yield from named(grave)
        return
    if healthy_epochs and any(finding.symptom in LATE for finding in grave):
        yield (smaller_from(healthy_epochs),)
    sure = [finding.remedies[0] for finding in grave if _is_sure(finding)]
    adam = _naming(grave, "train.optimizer.type") or DEFAULT_ADAM
    more = [each for each in (_naming(grave, "model.units"), _naming(grave, "train.epochs")) if each]
    for body in bodies:
        yield (body, adam, *sure)
    yield (bodies[0], adam, *sure, STANDARDIZE, *more[:1])
    yield (bodies[0], adam, *sure, STANDARDIZE, *more)


def named(findings: Sequence[Finding]) -> Iterator[Parts]:
    """Yields what the findings of a sick training name themselves, one remedy after the other, the gravest's first."""
    yield from ((remedy,) for finding in findings if finding.rank for remedy in finding.remedies if remedy.overrides)


def simpler(parts: Parts, findings: Sequence[Finding]) -> Parts:
    """Which part of a change that helped may do alone: those that the gravest finding names, if it is not all of them.

    Args:
        parts: That helped.
        findings: Of the sick training.

    Returns:
        Some of the parts; none: there is nothing simpler to try.
    """
    keys = {key for remedy in findings[0].remedies[:1] for key in remedy.overrides}
    alone = tuple(part for part in parts if keys & set(part.overrides))
    return alone if alone and len(alone) < len(parts) else ()


def _is_sure(finding: Finding) -> bool:
    """Whether its first remedy belongs into every candidate; one of activations would be at odds with the body."""
    sure = finding.symptom in NAMED_FOR_SURE or (finding.symptom == "underfitting" and finding.layers)
    return bool(sure and finding.remedies and "model.activation" not in finding.remedies[0].overrides)


def _naming(findings: Sequence[Finding], key: str) -> Remedy | None:
    """The first remedy of any finding that changes a key."""
    remedies = (remedy for finding in findings for remedy in finding.remedies)
    return next((remedy for remedy in remedies if key in remedy.overrides), None)
