"""The gate before the alias `champion`: the recipe's bounds, and the present champion."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pipeline.recipe.evaluate import LOWER_IS_BETTER, improvement

TEST_FINGERPRINT = "test_fingerprint"
"""Tag of a version: on which test examples its metrics were measured."""


@dataclass(frozen=True)
class Version:
    """A version of a registered model."""

    name: str
    version: str
    tags: Mapping[str, str]
    """Its test metrics as `test/<metric>`, and the fingerprint of the test examples."""


@dataclass(frozen=True)
class Decision:
    """Whether a new model becomes champion."""

    champion: bool
    reasons: tuple[str, ...]
    """One sentence for each thing looked at."""

    def __str__(self) -> str:
        return f"{'champion' if self.champion else 'not champion'}: {'; '.join(self.reasons)}"


def decide(
    gate: Mapping[str, float], scores: Mapping[str, float], test_fingerprint: str, champion: Version | None
) -> Decision:
    """Decides whether a model becomes champion.

    Args:
        gate: Metric to its bound: a floor, or a ceiling for losses and errors.
        scores: The model's test metrics; the first is the one that it is compared with the champion by.
        test_fingerprint: Names the test examples.
        champion: The present champion, if there is one.
    """
    checks = [*_bounds(gate, scores), _against(champion, scores, test_fingerprint)]
    return Decision(all(holds for holds, _ in checks), tuple(reason for _, reason in checks))


def _bounds(gate: Mapping[str, float], scores: Mapping[str, float]) -> Iterator[tuple[bool, str]]:
    for name, bound in gate.items():
        score = scores.get(name, math.nan)
        holds = improvement(name, bound, score) >= 0
        limit = "at most" if name in LOWER_IS_BETTER else "at least"
        yield holds, f"test {name} {score:.4f} {'is' if holds else 'is not'} {limit} {bound:g}"


def _against(champion: Version | None, scores: Mapping[str, float], test_fingerprint: str) -> tuple[bool, str]:
    if champion is None:
        return True, "there was no champion before"
    name, score = next(iter(scores.items()))
    who = f"the champion, version {champion.version}"
    known = champion.tags.get(f"test/{name}")
    if known is None:
        return (
            False,
            f"cannot be compared with {who}: its test {name} is not on record. Move the alias by hand if it is better",
        )
    if champion.tags.get(TEST_FINGERPRINT) != test_fingerprint:
        return False, (
            f"cannot be compared with {who}: that one was measured on other test examples "
            f"(test {name} {float(known):.4f} there, {score:.4f} here). Move the alias by hand if it is better"
        )
    holds = improvement(name, float(known), score) >= 0
    return holds, f"test {name} {score:.4f} is {'not worse' if holds else 'worse'} than {float(known):.4f} of {who}"
