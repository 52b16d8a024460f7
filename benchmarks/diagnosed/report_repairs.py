"""What `benchmarks/diagnosis.py` prints of repairs: how many sick trainings each method mends, and at what cost."""

from collections import Counter
from collections.abc import Sequence

from benchmarks.diagnosed.cases import RECENT
from benchmarks.diagnosed.repairs import METHODS, PORTFOLIO, Mended
from benchmarks.diagnosed.report import Row
from benchmarks.diagnosed.shares import median, share
from pipeline.diagnosis.repair import MAX_TRIALS

BUDGETS = (1, 2, 3, MAX_TRIALS, MAX_TRIALS + 1)
"""Trainings within which a repair may have come; the control, which ours needs, is not counted among them."""

NAMES = {"ours": "Plumbline", "portfolio": "tanh, Adam, ReLU + He", "random": "random search"}


def repairs(rows: Sequence[Row]) -> str:
    """What ours mends, and beside each other method what ours mends of the same trainings."""
    ours = [row for row in rows if "ours" in row.repairs]
    if not ours:
        return "## no repairs\n"
    lines = [f"{'within trainings':34} " + " ".join(f"{f'{budget}':28}" for budget in BUDGETS), _line(ours, "ours")]
    for method in [each for each in METHODS if each != "ours"]:
        both = [row for row in ours if method in row.repairs]
        lines += [_line(both, method), _line(both, "ours", "  ours, the same trainings")] if both else []
    verdicts = Counter(row.repairs["ours"].verdict for row in ours)
    gains = [_last(row.repairs["ours"].scores) - _last(row.training.scores) for row in ours]
    told = [row for row in ours if row.repairs["ours"].verdict == "repaired"]
    lines += [
        f"{'the untouched control':34} {_share(ours, [bool(row.repairs['ours'].control_good) for row in ours])}",
        f"verdicts of ours: {', '.join(f'{count} {name}' for name, count in verdicts.most_common())}; "
        f"of those called repaired, in truth: {_share(told, [row.repairs['ours'].good for row in told])}",
        f"accuracy gained by ours: {sum(gains) / len(gains):+.3f} (mean)",
        f"epochs spent, relative to those planned (medians): {', '.join(_spent(ours, method) for method in METHODS)}; "
        "the control's among those of ours",
    ]
    return "\n".join(
        [f"## repair of {len(ours)} sick trainings that can be mended: reach 0.9 of a good one", *lines, ""]
    )


def _line(rows: Sequence[Row], method: str, name: str = "") -> str:
    cells = [_within(rows, method, budget) for budget in BUDGETS]
    return f"{name or NAMES[method]:34} " + " ".join(f"{cell:28}" for cell in cells)


def _within(rows: Sequence[Row], method: str, budget: int) -> str:
    if method == "portfolio" and budget > len(PORTFOLIO):
        return "-"
    return _share(rows, [_good_within(row.repairs[method], budget) for row in rows])


def _good_within(mended: Mended, budget: int) -> bool:
    return mended.good and 0 < mended.healed_at <= budget


def _last(scores: Sequence[float]) -> float:
    recent = scores[-RECENT:]
    return sum(recent) / max(1, len(recent))


def _spent(rows: Sequence[Row], method: str) -> str:
    shares = [row.repairs[method].epochs / row.case.epochs for row in rows if method in row.repairs]
    return f"{median(shares):.2f} {method}" if shares else f"- {method}"


def _share(rows: Sequence[Row], hits: Sequence[bool]) -> str:
    return share(hits, [row.case.id for row in rows])
