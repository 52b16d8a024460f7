"""How well trainings are diagnosed and repaired: `python -m benchmarks.diagnosis [--corpus DIR]`.

Each case is trained with the public callback and without; beside ours, rules of published tools judge the same signals.
The sick are repaired beside an untouched control; so are they by changes that know of no diagnosis. The cases are those
of a labelled corpus, which brings its own `score.py`, or else the project's own zoo.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.diagnosed.cases import Case
    from benchmarks.diagnosed.report import Row

if not __package__:  # run as a file: what it imports is found from the project's root
    sys.path[0] = str(Path(__file__).resolve().parents[1])
os.environ |= {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}

REPAIRS = ("ours", "portfolio", "random")
"""How the sick are repaired, one after the other."""

QUICK = 2
"""Cases of `--quick`."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path, help="folder with cases.jsonl, data/ and score.py (default: the zoo)")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each case (default: 3)")
    parser.add_argument("--plain-seeds", type=int, default=1, help="seeds trained without as well (default: 1)")
    parser.add_argument("--repair-seeds", type=int, default=1, help="seeds of which the sick are repaired (default: 1)")
    parser.add_argument("--repairs", nargs="*", choices=REPAIRS, default=REPAIRS, help="by these alone (default: all)")
    parser.add_argument("--kept", type=Path, default=Path(".benchmarks/diagnosis"), help="folder of what was trained")
    parser.add_argument("--part", default="0/1", help="train only every n-th case, from the k-th: k/n")
    parser.add_argument("--no-training", action="store_true", help="only judge what is kept")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} cases of the zoo, one seed, in a minute")
    args = parser.parse_args(arguments)
    if args.quick:
        args.seeds, args.kept = 1, args.kept / "quick"
    args.kept.mkdir(parents=True, exist_ok=True)
    cases = _cases(args)
    if not args.no_training:
        _train(cases, args)
    rows = list(_rows(cases, args))
    text = _report(cases, rows, args)
    print(text)
    if not args.quick and args.part == "0/1":
        name = "diagnosis.txt" if args.corpus else "diagnosis_zoo.txt"
        Path(__file__).with_name(name).write_text(f"```\n{text}```\n", encoding="utf-8")


def _cases(args: argparse.Namespace) -> "list[Case]":
    if args.corpus:
        from benchmarks.diagnosed.corpus import read_cases

        return read_cases(args.corpus)
    from benchmarks.diagnosed.zoo import zoo_cases

    return zoo_cases()[: QUICK if args.quick else None]


def _train(cases: "list[Case]", args: argparse.Namespace) -> None:
    from benchmarks.diagnosed.trainings import train

    part, parts = map(int, args.part.split("/"))
    for seed in range(args.seeds):
        for case in cases[part::parts]:
            train(args.kept, case, seed)
            if seed < args.plain_seeds:
                train(args.kept, case, seed, watched=False)
    for method in args.repairs:
        for seed in range(args.repair_seeds):
            for case in _shuffled(cases[part::parts]):
                _repair(case, seed, args.kept, method)


def _shuffled(cases: "list[Case]") -> "list[Case]":
    """A random order that is always the same, so that repairs that ran out of time are a fair sample."""
    from models.seeds import seed_for

    return sorted(cases, key=lambda case: seed_for(0, "repairs", case.id))


def _repair(case: "Case", seed: int, kept: Path, method: str) -> None:
    """Repairs a training that is sick in truth; ours only if it was called sick."""
    from benchmarks.diagnosed.repairs import mend
    from benchmarks.diagnosed.trainings import train

    sick = train(kept, case, seed)
    if case.mendable and case.outcome(sick.scores, broken=sick.broken) == "bad":
        mend(kept, case, seed, sick, method)


def _rows(cases: "list[Case]", args: argparse.Namespace) -> "Iterator[Row]":
    from benchmarks.diagnosed.repairs import METHODS, kept_repair
    from benchmarks.diagnosed.report import Row
    from benchmarks.diagnosed.trainings import kept
    from benchmarks.diagnosed.verdicts import TOOLS

    for seed in range(args.seeds):
        for case in cases:
            training = kept(args.kept, case, seed)
            if training is not None and training.signals is not None:
                verdicts = {name: judge(training.signals) for name, judge in TOOLS.items()}
                repairs = {method: kept_repair(args.kept, case, seed, method) for method in METHODS}
                plain = kept(args.kept, case, seed, watched=False)
                yield Row(case, seed, training, verdicts, plain, {k: v for k, v in repairs.items() if v})


def _report(cases: "list[Case]", rows: "list[Row]", args: argparse.Namespace) -> str:
    from benchmarks.diagnosed.report import by_symptom, cost, detection, misses, naming
    from benchmarks.diagnosed.report_repairs import repairs

    file = args.kept / "predictions.jsonl"
    file.write_text("".join(json.dumps(_prediction(row)) + "\n" for row in rows), encoding="utf-8")
    options = "--quick" if args.quick else f"{'--corpus DIR ' if args.corpus else ''}--seeds {args.seeds}"
    num_seeds = 1 if args.quick else args.seeds
    head = (
        f"$ python -m benchmarks.diagnosis {options}\n"
        f"{len(rows)} of {len(cases) * num_seeds} trainings, {datetime.now(UTC):%d %B %Y}; in brackets 95 % intervals\n"
    )
    parts = [detection(rows), naming(rows), by_symptom(rows), repairs(rows), cost(rows)]
    if args.corpus:
        scored = subprocess.run(
            [sys.executable, args.corpus / "score.py", file], check=True, capture_output=True, text=True
        ).stdout
        parts.append("# the same by the corpus's own score.py\n\n" + scored.partition("  missed")[0])
        (args.kept / "misses.txt").write_text(misses(rows), encoding="utf-8")
    else:
        parts.append(misses(rows))
    return "\n".join([head, *parts])


def _prediction(row: "Row") -> dict[str, Any]:
    """One training, as `score.py` reads it."""
    from benchmarks.diagnosed.verdicts import OURS

    verdict, repaired = row.verdicts[OURS], row.repairs.get("ours")
    return {
        "id": row.case.id,
        "seed": row.seed,
        "val_acc": list(row.training.scores),
        "nan": row.training.broken,
        "alarm_epoch": verdict.epoch,
        "symptoms": sorted(verdict.symptoms),
        "layer": verdict.layer,
        "repaired_val_acc": list(repaired.scores) if repaired else None,
        "seconds": row.training.cpu_secs if row.plain else None,
        "plain_seconds": row.plain.cpu_secs if row.plain else None,
    }


if __name__ == "__main__":
    main()
