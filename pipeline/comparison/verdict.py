"""What a comparison amounts to, in words."""

import math

from pipeline.comparison.forecast import POWER, examples_needed, examples_needed_by_mcnemar
from pipeline.comparison.paired import Effect
from pipeline.comparison.proportions import Discordance

NOT_IN_POINTS = ("log_loss", "brier", "calibration_error", "mae", "rmse", "r2")
"""Metrics whose differences are said as they are; of all others, which are shares, in hundredths."""

LARGEST_FORECAST = 10_000_000


def verdict(effect: Effect, *, counts: Discordance | None = None, num_seeds: float | None = None) -> str:
    """Says which of two models is better and by how much, or what it would take to know.

    Args:
        effect: The difference.
        counts: How they disagree, where the metric is a share of examples.
        num_seeds: Seeds that would tell the two recipes apart; None: not known, as with one training each.
    """
    metric = effect.metric.replace("_", " ")
    low, high = (amount(effect.metric, value) for value in (effect.low, effect.high))
    if effect.distinguishable:
        winner, loser = (effect.second, effect.first) if effect.value > 0 else (effect.first, effect.second)
        if effect.value < 0:
            low, high = (amount(effect.metric, -value) for value in (effect.high, effect.low))
        size = amount(effect.metric, abs(effect.value), unit=True)
        return (
            f"{winner} is better than {loser} by {size} of {metric}, 95 % interval {low} to {high} "
            f"({effect.test}, {_p(effect.p)}, {effect.count:,} {effect.unit})"
        )
    seen = f"{effect.second} is {_ahead(effect)} in {metric}, 95 % interval {low} to {high}, {_p(effect.p)}"
    return (
        f"{effect.first} and {effect.second} are not distinguishable on {effect.count:,} {effect.unit} ({seen}): "
        f"{needed(effect, counts=counts, num_seeds=num_seeds)}"
    )


def needed(effect: Effect, *, counts: Discordance | None, num_seeds: float | None) -> str:
    """Says what it would take to tell two models apart; arguments as in `verdict`."""
    amounts = []
    examples = examples_needed_by_mcnemar(counts) if counts else examples_needed(effect)
    if effect.unit == "examples" and examples <= LARGEST_FORECAST:
        amounts.append(f"{rounded(examples):,} examples")
    if num_seeds is not None and math.isfinite(num_seeds):
        amounts.append(f"{num_seeds:,.0f} seeds")
    if not amounts:
        return f"no number of {effect.unit} in reach would show a difference as small as this one"
    return (
        f"you would need about {', or '.join(amounts)} for a difference as large as this one to show in "
        f"{100 * POWER:.0f} % of tests"
    )


def amount(metric: str, value: float, *, unit: bool = False) -> str:
    """A difference of a metric in words: hundredths of a share are points."""
    if metric in NOT_IN_POINTS:
        return f"{value:.3g}"
    points = f"{100 * value:.1f}" if abs(value) >= 0.001 else f"{100 * value:.2g}"
    return f"{points} points" if unit else points


def rounded(count: float) -> int:
    """A forecast in two digits, as it is not known better."""
    step = int(10 ** max(0, math.floor(math.log10(max(count, 1))) - 1))
    return math.ceil(count / step) * step


def _ahead(effect: Effect) -> str:
    if not effect.value:
        return "level"
    size = amount(effect.metric, abs(effect.value), unit=True)
    return f"{size} {'ahead' if effect.value > 0 else 'behind'}"


def _p(value: float) -> str:
    return f"p = {value:.2g}" if value >= 0.001 else "p < 0.001"
