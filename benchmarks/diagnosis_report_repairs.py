"""What `benchmarks/diagnosis.py` prints of repairs: how many sick trainings each method mends, and at what cost."""

from collections import Counter
from collections.abc import Sequence

from benchmarks.diagnosis_repairs import METHODS, PORTFOLIO, Mended
from benchmarks.diagnosis_report import Row
from benchmarks.diagnosis_shares import median, share
from pipeline.diagnosis.repair import MAX_TRIALS

BUDGETS = (1, 2, 3, MAX_TRIALS, MAX_TRIALS + 1)
"""Trainings within which a repair may have come; the control, which ours needs, is not counted among them."""

NAMES = {"ours": "Plumbline", "portfolio": "tanh, Adam, ReLU + He", "random": "random search"}


def repairs(rows: Sequence[Row]) -> str:
    """Compares all methods on the sick trainings that every one of them has tried."""
    tried = [row for row in rows if all(method in row.repairs for method in METHODS)]
    if not tried:
        return "## no repairs\n"
    lines = [f"{'within trainings':24} " + " ".join(f"{f'{budget}':28}" for budget in BUDGETS)]
    for method in METHODS:
        cells = [_within(tried, method, budget) for budget in BUDGETS]
        lines.append(f"{NAMES[method]:24} " + " ".join(f"{cell:28}" for cell in cells))
    ours = [row.repairs["ours"] for row in tried]
    verdicts = Counter(mended.verdict for mended in ours)
    gains = [_last(row.repairs["ours"]) - _last_of(row) for row in tried]
    controls = [bool(mended.control_good) for mended in ours]
    told = [row for row in tried if row.repairs["ours"].verdict == "repaired"]
    true = [row.repairs["ours"].good for row in told]
    lines += [
        f"{'the untouched control':24} {_share(tried, controls)}",
        f"verdicts of ours: {', '.join(f'{count} {name}' for name, count in verdicts.most_common())}; "
        f"of those called repaired, in truth: {_share(told, true)}",
        f"accuracy gained by ours: {sum(gains) / len(gains):+.3f} (mean)",
        "epochs spent, relative to those planned, the control's among them: "
        f"{median([_spent(row, 'ours') for row in tried]):.2f} ours, "
        f"{median([_spent(row, 'portfolio') for row in tried]):.2f} portfolio, "
        f"{median([_spent(row, 'random') for row in tried]):.2f} random (medians)",
    ]
    return "\n".join(
        [f"## repair of {len(tried)} sick trainings that can be mended: reach 0.9 of a good one", *lines, ""]
    )


def _within(rows: Sequence[Row], method: str, budget: int) -> str:
    if method == "portfolio" and budget > len(PORTFOLIO):
        return "-"
    return _share(rows, [_good_within(row.repairs[method], budget) for row in rows])


def _good_within(mended: Mended, budget: int) -> bool:
    return mended.good and 0 < mended.healed_at <= budget


def _last(mended: Mended) -> float:
    return sum(mended.scores[-5:]) / max(1, len(mended.scores[-5:]))


def _last_of(row: Row) -> float:
    recent = row.training.scores[-5:]
    return sum(recent) / len(recent)


def _spent(row: Row, method: str) -> float:
    return row.repairs[method].epochs / row.case.epochs


def _share(rows: Sequence[Row], hits: Sequence[bool]) -> str:
    return share(hits, [row.case.id for row in rows])
