"""Models compared on their test examples: intervals, pairs, ranks and the verdict in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline.comparison.intervals import Estimate, estimates
from pipeline.comparison.paired import Effect, effects, replicates
from pipeline.comparison.predictions import TestPredictions
from pipeline.comparison.proportions import Discordance
from pipeline.comparison.ranking import Place, rank
from pipeline.comparison.resampling import SEED
from pipeline.comparison.verdict import verdict
from pipeline.comparison.weighted import hits
from pipeline.errors import UserError
from pipeline.metrics import Predicted

MIN_SHARED = 20
"""Test examples in common below which models are not compared."""


@dataclass(frozen=True)
class ModelComparison:
    """Models and what they answered on the test examples that all of them have."""

    models: Mapping[str, TestPredictions]
    """The same examples in the same order."""
    caveat: str
    """What is not comparable; empty if all were tested on the same examples."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """Metrics that all models were measured by; the first decides the order."""
        first, *others = self.models.values()
        return tuple(name for name in first.metrics if all(name in other.metrics for other in others))

    @property
    def num_examples(self) -> int:
        """Test examples that all models have."""
        return len(next(iter(self.models.values())).ids)

    @property
    def predicted(self) -> dict[str, Predicted]:
        """Labels and outputs of each model."""
        return {name: test.predicted for name, test in self.models.items()}

    @cached_property
    def estimates(self) -> dict[str, dict[str, Estimate]]:
        """Model to metric to the estimate on these examples."""
        return {name: estimates(self.metrics, of, seed=SEED) for name, of in self.predicted.items()}

    @cached_property
    def effects(self) -> dict[str, list[Effect]]:
        """Metric to the effect of each pair, p-values corrected for the number of pairs."""
        return {metric: effects(metric, self.predicted, seed=SEED) for metric in self.metrics}

    @cached_property
    def ranking(self) -> list[Place]:
        """The models by the first metric, the best first."""
        metric = self.metrics[0]
        scores = {name: found[metric].value for name, found in self.estimates.items()}
        return rank(scores, self.effects[metric], replicates(metric, self.predicted, seed=SEED))

    @cached_property
    def verdicts(self) -> list[str]:
        """A sentence for each pair, by the first metric; with many models, who can be first."""
        metric = self.metrics[0]
        said = [verdict(each, counts=self._counts(each)) for each in self.effects[metric]]
        if len(self.models) == 2:
            return said
        first = [place.name for place in self.ranking if place.can_be_first]
        others = [place.name for place in self.ranking if not place.can_be_first]
        beaten = f"; {_listed(others)} cannot" if others else ""
        return [f"by {metric.replace('_', ' ')}, {_listed(first)} can be first{beaten}", *said]

    def _counts(self, effect: Effect) -> Discordance | None:
        right = [hits(effect.metric, self.predicted[name]) for name in (effect.first, effect.second)]
        return None if right[0] is None or right[1] is None else Discordance.of(right[0], right[1])


def compare_models(tests: Mapping[str, TestPredictions]) -> ModelComparison:
    """Puts models side by side on the test examples that all of them were tested on.

    Args:
        tests: Name to answers, two at least.

    Raises:
        UserError: If the models answer different questions, or share too few test examples.
    """
    first, *others = tests
    for name in others:
        _check_question(first, tests[first], name, tests[name])
    ordered = {name: test.ordered() for name, test in tests.items()}
    if len({test.fingerprint for test in tests.values()}) == 1:
        return ModelComparison(ordered, "")
    shared = _shared(list(ordered.values()))
    counts = ", ".join(f"{name} {len(test.ids):,}" for name, test in tests.items())
    if len(shared) < MIN_SHARED:
        raise UserError(
            f"expected runs with the same test examples. Received: {counts}, of which all have {len(shared)} with the "
            f"same label, fewer than {MIN_SHARED}. Their figures answer other questions; run one recipe on the data "
            "of the other"
        )
    reduced = {name: test.take(np.flatnonzero(_in(test, shared))) for name, test in ordered.items()}
    return ModelComparison(
        reduced, f"not the same test examples ({counts}): compared on the {len(shared):,} that all have"
    )


def _check_question(first: str, a: TestPredictions, name: str, b: TestPredictions) -> None:
    for what, ours, theirs in (
        ("task", a.predicted.task, b.predicted.task),
        ("classes", _listed(a.classes), _listed(b.classes)),
    ):
        if ours != theirs:
            raise UserError(f"{name}: expected the {what} of {first} ({ours}). Received: {theirs}")
    if not set(a.metrics) & set(b.metrics):
        raise UserError(
            f"{name}: expected a metric of {first} ({_listed(a.metrics)}). Received: {_listed(b.metrics)}. "
            "Add one to evaluate.metrics and run it again"
        )


Key = tuple[str, str]
"""Id and label of an example."""


def _keys(test: TestPredictions) -> list[Key]:
    return list(zip(test.ids, map(str, test.predicted.labels.tolist()), strict=True))


def _shared(tests: Sequence[TestPredictions]) -> set[Key]:
    return set.intersection(*(set(_keys(test)) for test in tests))


def _in(test: TestPredictions, shared: set[Key]) -> np.ndarray:
    return np.array([key in shared for key in _keys(test)])


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
