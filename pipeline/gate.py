"""The gate before the alias `champion`: the recipe's bounds, and the present champion on the same test examples."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.comparison.paired import Effect, effect
from pipeline.comparison.predictions import TestPredictions
from pipeline.comparison.resampling import SEED
from pipeline.comparison.slices import score_group, slice_metric
from pipeline.comparison.verdict import amount
from pipeline.errors import UserError
from pipeline.metrics import compute
from pipeline.recipe.evaluate import LOWER_IS_BETTER, improvement
from pipeline.recipe.register import RegisterConfig

TEST_FINGERPRINT = "test_fingerprint"
"""Tag of a version: on which test examples its metrics were measured."""

DEFAULT_MARGIN = 0.02
"""Share of the champion's score that a new model may be worse by if the recipe says nothing."""

BY_HAND = "Move the alias by hand if it is better"

Check = tuple[bool, str]
"""Whether a condition holds, and a sentence that says so."""


@dataclass(frozen=True)
class Version:
    """A version of a registered model."""

    name: str
    version: str
    tags: Mapping[str, str]
    """Its test metrics as `test/<metric>`, and the fingerprint of the test examples."""


@dataclass(frozen=True)
class Champion:
    """The version that serves now."""

    version: Version
    predictions: TestPredictions | None
    """What it answered on its test examples; None: not on record."""


@dataclass(frozen=True)
class Decision:
    """Whether a new model becomes champion."""

    champion: bool
    reasons: tuple[str, ...]
    """One sentence for each thing looked at."""

    def __str__(self) -> str:
        return f"{'champion' if self.champion else 'not champion'}: {'; '.join(self.reasons)}"


def decide(
    section: RegisterConfig, scores: Mapping[str, float], test: TestPredictions, champion: Champion | None
) -> Decision:
    """Decides whether a model becomes champion.

    Args:
        section: Bounds of metrics and of groups, and the margin.
        scores: The model's test metrics; the first is the one that it is compared with the champion by.
        test: What it answered on the test examples.
        champion: The present champion, if there is one.
    """
    checks = [*_bounds(section.gate, scores), *_slices(section.slices, test), _against(champion, section.margin, test)]
    return Decision(all(holds for holds, _ in checks), tuple(reason for _, reason in checks))


def check_section(section: RegisterConfig, scores: Mapping[str, float], test: TestPredictions) -> None:
    """Checks what can be checked only once the model is evaluated.

    Raises:
        UserError: If the gate asks for a metric or a group that there is not.
    """
    for name in section.gate:
        if name not in scores:
            raise UserError(
                f"register.gate.{name}: expected a metric of evaluate.metrics: {', '.join(scores)}. "
                f"Received: {name!r}. Add it to evaluate.metrics, or remove it from the gate"
            )
    for kind, bounds in section.slices.items():
        if kind not in test.groups:
            known = ", ".join(map(str, test.groups)) or "none for this data"
            raise UserError(f"register.slices.{kind}: expected a kind of group: {known}. Received: {kind!r}")
        values = sorted(set(test.groups[kind]))
        for value in bounds:
            if value not in values:
                raise UserError(
                    f"register.slices.{kind}.{value}: expected one of {', '.join(values)}. Received: {value!r}"
                )


def _bounds(gate: Mapping[str, float], scores: Mapping[str, float]) -> Iterator[Check]:
    for name, bound in gate.items():
        yield _bound(name, bound, scores.get(name, math.nan), "test")


def _slices(slices: Mapping[str, Mapping[str, float]], test: TestPredictions) -> Iterator[Check]:
    metric = slice_metric(test.predicted.task)
    for kind, bounds in slices.items():
        for value, bound in bounds.items():
            score = score_group(test, kind, value)
            where = f"of {score.num_examples:,} test examples with {kind} {value}:"
            yield _bound(metric, bound, score.value, where, f" [{score.low:.4f}, {score.high:.4f}]")


def _bound(name: str, bound: float, score: float, where: str, interval: str = "") -> Check:
    holds = improvement(name, bound, score) >= 0
    limit = "at most" if name in LOWER_IS_BETTER else "at least"
    return holds, f"{where} {name} {score:.4f}{interval} {'is' if holds else 'is not'} {limit} {bound:g}"


def _against(champion: Champion | None, margin: float | None, test: TestPredictions) -> Check:
    if champion is None:
        return True, "there was no champion before"
    who = f"the champion, version {champion.version.version}"
    present = champion.predictions
    if present is None:
        return False, f"cannot be compared with {who}: its test predictions are not on record. {BY_HAND}"
    if present.fingerprint != test.fingerprint:
        return False, f"cannot be compared with {who}: that one was measured on other test examples. {BY_HAND}"
    metric = test.metrics[0]
    before, after = present.ordered().predicted, test.ordered().predicted
    if np.array_equal(before.outputs, after.outputs):
        return True, f"it answers every test example as {who}"
    known = compute([metric], before)[metric]
    allowed = DEFAULT_MARGIN * abs(known) if margin is None else margin
    return _not_worse(effect(metric, before, after, seed=SEED), known, allowed, who)


def _not_worse(found: Effect, known: float, margin: float, who: str) -> Check:
    """The non-inferiority test: even the worst end of the interval is within the margin."""
    metric = found.metric
    holds = found.low >= -margin
    better = "better" if found.value >= 0 else "worse"
    size = amount(metric, abs(found.value), unit=True)
    ends = f"{amount(metric, found.low)} to {amount(metric, found.high)}"
    allowed = amount(metric, margin, unit=True)
    said = (
        f"test {metric} is {size} {better} than {known:.4f} of {who}, 95 % interval {ends} on "
        f"{found.count:,} examples: "
    )
    if holds:
        return True, f"{said}not worse by more than the margin of {allowed}"
    if found.high < -margin:
        return False, f"{said}worse by more than the margin of {allowed}"
    return False, f"{said}it may be worse by more than the margin of {allowed}"
