"""What `benchmarks/diagnosis.py` prints of verdicts: how often each tool is right, on the same trainings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.diagnosed.cases import Case, Outcome
from benchmarks.diagnosed.repairs import Mended
from benchmarks.diagnosed.shares import median, share
from benchmarks.diagnosed.trainings import Training
from benchmarks.diagnosed.verdicts import OURS, Verdict


@dataclass(frozen=True)
class Row:
    """One training with what is known of it and what each tool says."""

    case: Case
    seed: int
    training: Training
    verdicts: Mapping[str, Verdict]
    plain: Training | None = None
    """The same training without the callback."""
    repairs: Mapping[str, Mended] = field(default_factory=dict)
    """What came of repairing it, by method."""

    @property
    def outcome(self) -> Outcome:
        """How it went, whatever is said."""
        return self.case.outcome(self.training.scores, broken=self.training.broken)


def detection(rows: Sequence[Row]) -> str:
    """How often each tool calls the sick sick, and the healthy."""
    parts = [_counts("all", rows)]
    bad, good = _with(rows, "bad"), _with(rows, "good")
    tools = list(rows[0].verdicts) if rows else []
    lines = [f"{'':20} {'recall':32} {'false alarms':30} {'precision':32} called at"]
    for tool in tools:
        called = [row for row in (*bad, *good) if row.verdicts[tool].sick]
        at = [row.verdicts[tool].epoch / row.case.epochs for row in bad if row.verdicts[tool].sick]  # type: ignore[operator]
        lines.append(
            f"{tool:20} {_share(bad, [row.verdicts[tool].sick for row in bad]):32} "
            f"{_share(good, [row.verdicts[tool].sick for row in good]):30} "
            f"{_share(called, [row.outcome == 'bad' for row in called]):32} {median(at):.3f}"
        )
    for group in sorted({row.case.group for row in rows}):
        some = [row for row in rows if row.case.group == group]
        bad, good = _with(some, "bad"), _with(some, "good")
        parts.append(_counts(group, some))
        lines.append(
            f"{f'{OURS}, {group}':20} {_share(bad, [row.verdicts[OURS].sick for row in bad]):32} "
            f"{_share(good, [row.verdicts[OURS].sick for row in good]):30}"
        )

    return "\n".join(["## sick or healthy: " + "; ".join(parts), *lines, *_early(rows), ""])


def _early(rows: Sequence[Row]) -> list[str]:
    bad = _with(rows, "bad")
    calls = [row.verdicts[OURS].epoch for row in bad]
    within = [epoch is not None and epoch <= 0.1 * row.case.epochs for epoch, row in zip(calls, bad, strict=True)]
    return [f"called within the first 10 % of the planned epochs: {_share(bad, within)}"]


def naming(rows: Sequence[Row]) -> str:
    """How often the cause and the layer are named rightly on sick trainings."""
    bad = [row for row in _with(rows, "bad") if row.case.symptoms]
    placed = [row for row in _with(rows, "bad") if row.case.faulty_layers]
    lines = [f"{'':20} {'a right one among those named':32} {'the first named':32} {'of all named':14} layer"]
    for tool in list(rows[0].verdicts) if rows else []:
        right = [bool(row.verdicts[tool].symptoms & row.case.symptoms) for row in bad]
        first = [row.verdicts[tool].first in row.case.symptoms for row in bad]
        named = [(row, symptom) for row in bad for symptom in row.verdicts[tool].symptoms]
        among = sum(symptom in row.case.symptoms for row, symptom in named)
        layers = [row.verdicts[tool].layer in row.case.faulty_layers for row in placed]
        lines.append(
            f"{tool:20} {_share(bad, right):32} {_share(bad, first):32} {f'{among}/{len(named)}':14} "
            f"{_share(placed, layers) if tool == OURS else '-'}"
        )
    return "\n".join(["## symptom and layer, on sick trainings of which they are known", *lines, ""])


def by_symptom(rows: Sequence[Row]) -> str:
    """Precision and recall of each symptom, on sick trainings of which one is known."""
    bad = [row for row in _with(rows, "bad") if row.case.symptoms]
    names = sorted({name for row in bad for name in (*row.verdicts[OURS].symptoms, *row.case.planted)})
    lines = [f"{'':22} {'right where named':34} named where planted"]
    for name in names:
        named = [row for row in bad if name in row.verdicts[OURS].symptoms]
        planted = [row for row in bad if name in row.case.planted]
        lines.append(
            f"{name:22} {_share(named, [name in row.case.symptoms for row in named]):34} "
            f"{_share(planted, [name in row.verdicts[OURS].symptoms for row in planted])}"
        )
    return "\n".join([f"## by symptom, {OURS}", *lines, ""])


def cost(rows: Sequence[Row]) -> str:
    """What the callback changes (nothing) and what it takes, against the same training without it."""
    pairs = [(row.training, row.plain) for row in rows if row.plain]
    same = sum(list(watched.scores) == list(plain.scores) for watched, plain in pairs)
    ratios = [watched.cpu_secs / plain.cpu_secs for watched, plain in pairs if watched.cpu_secs > 0]
    secs = [plain.cpu_secs for _, plain in pairs]
    return (
        f"## with the callback and without: {len(pairs)} trainings\n"
        f"validation scores of all epochs equal to the bit: {same}/{len(pairs)}\n"
        f"CPU time of `fit` relative to without: {median(ratios):.2f} (median), of {median(secs):.1f} s\n"
    )


def misses(rows: Sequence[Row]) -> str:
    """Every training that was judged wrongly."""
    lines = []
    for row in rows:
        verdict, case = row.verdicts[OURS], row.case
        wrong = {
            "false alarm": row.outcome == "good" and verdict.sick,
            "missed": row.outcome == "bad" and not verdict.sick,
            "symptom": row.outcome == "bad" and bool(case.symptoms) and not verdict.symptoms & case.symptoms,
            "layer": row.outcome == "bad" and bool(case.faulty_layers) and verdict.layer not in case.faulty_layers,
        }
        what = ", ".join(name for name, found in wrong.items() if found)
        if what:
            said = f"{', '.join(sorted(verdict.symptoms)) or 'nothing'}; layer {verdict.layer}"
            lines.append(f"{what}: {case.id} seed {row.seed} {case.fault}: {said}")
    return "\n".join(["## every miss", *lines, ""])


def _with(rows: Sequence[Row], outcome: Outcome) -> list[Row]:
    return [row for row in rows if row.outcome == outcome]


def _share(rows: Sequence[Row], hits: Sequence[bool]) -> str:
    return share(hits, [row.case.id for row in rows])


def _counts(name: str, rows: Sequence[Row]) -> str:
    return f"{name} {len(rows)} trainings, {len(_with(rows, 'bad'))} bad, {len(_with(rows, 'good'))} good"
