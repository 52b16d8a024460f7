"""Results on the test set as runs record them: `test/<metric>`, and its 95 % interval as `_low` and `_high`."""

from collections.abc import Mapping

TEST = "test/"
LOW, HIGH = "_low", "_high"


def scores_on_test(metrics: Mapping[str, float]) -> dict[str, float]:
    """The metrics on the test set by their plain names, without the ends of intervals.

    Args:
        metrics: All metrics of a run by the names that they are recorded under.
    """
    return {
        name.removeprefix(TEST): value
        for name, value in metrics.items()
        if name.startswith(TEST) and not is_bound(name, metrics)
    }


def is_bound(name: str, metrics: Mapping[str, float]) -> bool:
    """Whether a recorded value is the end of the interval of another one."""
    return any(name.endswith(end) and name.removesuffix(end) in metrics for end in (LOW, HIGH))


def in_words(name: str, metrics: Mapping[str, float], digits: str = ".4f") -> str:
    """A test metric with its interval where it has one: `0.9913 [0.9748, 0.9970]`.

    Args:
        name: Plain name of the metric.
        metrics: As in `scores_on_test`.
        digits: Format of each number.
    """
    value, low, high = (metrics.get(f"{TEST}{name}{end}") for end in ("", LOW, HIGH))
    if low is None or high is None:
        return f"{value:{digits}}"
    return f"{value:{digits}} [{low:{digits}}, {high:{digits}}]"
