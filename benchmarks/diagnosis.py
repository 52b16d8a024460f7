"""How well trainings are diagnosed and repaired: `python -m benchmarks.diagnosis --corpus DIR`.

Each case is trained with the public callback and, where that calls it sick, repaired beside an untouched control. What
was trained is kept in a folder, so that a benchmark that was killed goes on, and rules that changed are judged on the
same trainings again: a diagnosis is a function of what the callback saw.
"""

import argparse
import json
import os
import pickle
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.diagnosis_cases import Case, Data, build, read_cases, read_data

os.environ |= {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}

IN_CORPUS = {
    "too_large_steps": "oscillating_loss",
    "dead_layer": "dying_relu",
    "frozen_weights": "slow_convergence",
    "plateau": "not_converging",
    "diverging": "not_converging",
    "class_collapse": "not_converging",
}
"""Our finer symptoms in the corpus's words; the others are the same."""

REPORT = Path(__file__).with_suffix(".txt")
"""What was printed last, which docs/diagnosis.md shows."""

Record = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path, required=True, help="folder with cases.jsonl, data/ and score.py")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each case (default: 3)")
    parser.add_argument("--repair-seeds", type=int, default=1, help="seeds of which the sick are repaired (default: 1)")
    parser.add_argument("--kept", type=Path, default=Path(".benchmarks/diagnosis"), help="folder of what was trained")
    parser.add_argument("--part", default="0/1", help="train only every n-th case, from the k-th: k/n")
    parser.add_argument("--no-training", action="store_true", help="only judge what is kept")
    args = parser.parse_args()
    args.kept.mkdir(parents=True, exist_ok=True)
    cases = read_cases(args.corpus)
    if not args.no_training:
        part, parts = map(int, args.part.split("/"))
        for seed in range(args.seeds):
            for case in cases[part::parts]:
                train(case, args.corpus, seed, args.kept, with_repair=seed < args.repair_seeds)
    predictions = args.kept / "predictions.jsonl"
    lines = [json.dumps(line) for line in judged(cases, range(args.seeds), args.kept)]
    predictions.write_text("\n".join(lines) + "\n", encoding="utf-8")
    scored = subprocess.run(
        [sys.executable, args.corpus / "score.py", predictions], check=True, capture_output=True, text=True
    )
    head = (
        f"$ python -m benchmarks.diagnosis --seeds {args.seeds} --repair-seeds {args.repair_seeds}\n"
        f"{len(lines)} of {len(cases) * args.seeds} trainings of the corpus, {datetime.now(UTC):%d %B %Y}\n"
    )
    text = f"{head}\n{scored.stdout}\n{per_symptom(cases, predictions)}\n{repairs(args.kept, len(lines))}"
    REPORT.write_text(f"```\n{text}```\n", encoding="utf-8")
    print(text)


def train(case: Case, corpus: Path, seed: int, kept: Path, *, with_repair: bool) -> None:
    """Trains a case with the callback, and repairs it if it is sick; keeps both."""
    from pipeline.diagnosis.repair import Trial, repair

    file = _file(kept, case, seed, "pkl")
    data = read_data(corpus, case["data"])
    if not file.exists():
        record = fit(build(case, seed), case, data, seed)
        file.write_bytes(pickle.dumps({"id": case["id"], "seed": seed, **record}))
        print(case["id"], seed, f"{record['secs']:.0f} s", f"{record['val_acc'][-1]:.3f}", flush=True)
    repaired = _file(kept, case, seed, "repair.json")
    if not with_repair or repaired.exists():
        return
    record = pickle.loads(file.read_bytes())
    findings = replay(record["signals"])
    if not any(finding.rank for finding in findings):
        return

    def once(overrides: dict[str, Any], number: int) -> Trial:
        return _trial(case, data, seed, overrides, number)

    sick = Trial(findings, _skill(record), case["epochs"], result=record)
    outcome = repair(sick, once)
    told = {
        "verdict": outcome.verdict,
        "val_acc": outcome.best.result["val_acc"],
        "overrides": dict(outcome.best.overrides),
        "epochs": outcome.num_epochs / case["epochs"],
        "control": outcome.control.result["val_acc"] if outcome.control else None,
        "trials": [{"overrides": dict(t.overrides), "skill": t.skill, "epochs": t.num_epochs} for t in outcome.trials],
    }
    repaired.write_text(json.dumps(told), encoding="utf-8")
    print(case["id"], seed, outcome.verdict, told["overrides"], len(outcome.trials), flush=True)


def fit(model: Any, case: Case, data: Data, seed: int, *, epochs: int = 0, on_sick: str = "warn") -> Record:
    """Trains with the public callback; what it saw, the validation accuracies, and whether anything was not finite."""
    import keras
    import numpy as np

    from pipeline.diagnosis import Diagnosis

    diagnosis = Diagnosis(data.x_val, data.y_val, on_sick=on_sick)
    started = time.perf_counter()
    history = model.fit(
        data.training(case["batch_size"], seed),
        steps_per_epoch=-(-len(data.x) // case["batch_size"]),
        epochs=epochs or case["epochs"],
        validation_data=data.validation(),
        shuffle=False,
        verbose=0,
        callbacks=[diagnosis],
    ).history
    secs = time.perf_counter() - started
    broken = not np.isfinite(history["loss"]).all() or any(not np.isfinite(each).all() for each in model.get_weights())
    keras.backend.clear_session()
    return {"val_acc": history["val_accuracy"], "nan": bool(broken), "signals": diagnosis.signals, "secs": secs}


def _trial(case: Case, data: Data, seed: int, overrides: dict[str, Any], number: int) -> Any:
    from models.seeds import seed_for
    from pipeline.diagnosis.change import changed
    from pipeline.diagnosis.repair import Trial

    drawn = seed_for(seed, "repair", number)
    model = changed(build(case, drawn), overrides, seed=drawn, features=data.x)
    epochs = int(overrides.get("train.epochs", case["epochs"]))
    record = fit(model, case, data, drawn, epochs=epochs, on_sick="stop")
    return Trial(replay(record["signals"]), _skill(record), len(record["val_acc"]), overrides, record)


def replay(signals: Any) -> list[Any]:
    """The findings that the callback made of the same training, epoch by epoch."""
    from pipeline.diagnosis.diagnose import diagnose, merged
    from pipeline.diagnosis.schedule import is_judged

    findings: list[Any] = []
    for epoch in range(signals.epoch + 1):
        if is_judged(epoch, signals.facts.planned_epochs):
            findings = merged(findings, diagnose(replace(signals.until(epoch), ended=False)))
    return merged(findings, diagnose(replace(signals, ended=True)))


def judged(cases: list[Case], seeds: range, kept: Path) -> Iterator[Record]:
    """One line a training, as `score.py` reads them."""
    for seed in seeds:
        for case in cases:
            file, repaired = _file(kept, case, seed, "pkl"), _file(kept, case, seed, "repair.json")
            if file.exists():
                told = json.loads(repaired.read_text()) if repaired.exists() else {}
                yield prediction(pickle.loads(file.read_bytes()), told.get("val_acc"))


def prediction(record: Record, repaired: list[float] | None) -> Record:
    """What is said of one training."""
    findings = [finding for finding in replay(record["signals"]) if finding.rank]
    names = [layer.name for layer in record["signals"].facts.layers]
    blamed = [finding.layers[0] for finding in findings if finding.layers]
    return {
        "id": record["id"],
        "seed": record["seed"],
        "val_acc": record["val_acc"],
        "nan": record["nan"],
        "alarm_epoch": min((finding.called_epoch for finding in findings), default=None),
        "symptoms": sorted({_in_corpus(finding) for finding in findings}),
        "layer": names.index(blamed[0]) if blamed else None,
        "repaired_val_acc": repaired,
        "seconds": None,
        "plain_seconds": None,
    }


def _in_corpus(finding: Any) -> str:
    if finding.symptom == "poor_initialization" and finding.evidence["gain of the worst layer"] == 0:
        return "zero_init"
    return IN_CORPUS.get(finding.symptom, finding.symptom)


def per_symptom(cases: list[Case], predictions: Path) -> str:
    """How often each symptom that was named on a sick training is among those that the corpus knows of it."""
    known = {
        case["id"]: {
            *(case["expected_symptoms"] or []),
            *case["reference_symptoms"],
            *(case["published_problems"] or []),
        }
        for case in cases
    }
    named: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for line in map(json.loads, predictions.read_text(encoding="utf-8").splitlines()):
        truth = known.get(line["id"], set())
        named.update(line["symptoms"] if truth else [])
        right.update(truth & set(line["symptoms"]))
    rows = [f"  {name:22} {right[name]:3} of {count:3}" for name, count in named.most_common()]
    return "\n".join(["## symptoms named, and how many of them the corpus knows of the case", *rows, ""])


def repairs(kept: Path, num_trainings: int) -> str:
    """Verdicts of all repairs that were made, at which trial they came, and what they took."""
    told = [json.loads(file.read_text()) for file in sorted(kept.glob("*.repair.json"))]
    if not told:
        return "## no repairs"
    verdicts = Counter(each["verdict"] for each in told)
    at = [len(each["trials"]) for each in told if each["verdict"] == "repaired"]
    epochs = sorted(each["epochs"] for each in told)
    within = ", ".join(f"{sum(place <= limit for place in at)} within {limit}" for limit in (1, 3, 5))
    return (
        f"## repairs: {len(told)} sick trainings, of {num_trainings} kept\n"
        f"  verdicts          {', '.join(f'{count} {verdict}' for verdict, count in verdicts.most_common())}\n"
        f"  trials            {within}, of {len(told)}; every trial is one training, stopped once it is sick\n"
        f"  epochs spent      {epochs[len(epochs) // 2]:.2f} of the plan (median), the control among them\n"
    )


def _skill(record: Record) -> float:
    facts = record["signals"].facts
    recent = record["val_acc"][-5:]
    return float((sum(recent) / len(recent) - facts.chance) / (facts.neighbours - facts.chance))


def _file(kept: Path, case: Case, seed: int, ending: str) -> Path:
    return kept / f"{case['id'].replace('/', '_')}.{seed}.{ending}"


if __name__ == "__main__":
    main()
