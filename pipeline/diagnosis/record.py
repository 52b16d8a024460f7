"""Signals, findings and checks as JSON: what a run keeps of them, and what a resumed training goes on from."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from pipeline.diagnosis.before import Checked, Report
from pipeline.diagnosis.figures import Figure
from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.learning import FirstQuestion
from pipeline.diagnosis.remedies import Remedy
from pipeline.diagnosis.rollback import healthy_epochs
from pipeline.diagnosis.signals import Column, Epoch, Reading, Signals

Tree = dict[str, Any]

DIAGNOSIS = "diagnosis.json"
"""The artifact of a training that holds its diagnosis."""

PREFLIGHT = "preflight.json"
"""The artifact of a training that holds what all checks said before its first step."""

FACTS = ("planned_epochs", "constant_loss", "chance", "neighbours")
"""What of `Facts` a run keeps."""


def seen_to_text(readings: Sequence[Reading], epochs: Sequence[Epoch], findings: Sequence[Finding]) -> str:
    """Writes what a callback has seen and said; NaN and infinity are kept."""
    seen = {
        "readings": [{**asdict(reading), "layers": reading.layers.tolist()} for reading in readings],
        "epochs": [asdict(epoch) for epoch in epochs],
        "findings": [finding_to_tree(finding) for finding in findings],
    }
    return json.dumps(seen)


def seen_from_text(text: str) -> tuple[list[Reading], list[Epoch], list[Finding]]:
    """Reads what `seen_to_text` wrote."""
    seen = json.loads(text)
    readings = [Reading(**{**each, "layers": np.array(each["layers"], "float32")}) for each in seen["readings"]]
    epochs = [Epoch(**each) for each in seen["epochs"]]
    return readings, epochs, [finding_from_tree(each) for each in seen["findings"]]


def finding_to_tree(finding: Finding) -> Tree:
    """Writes a finding as JSON has it; numbers that JSON lacks become null."""
    evidence = {name: value if math.isfinite(value) else None for name, value in finding.evidence.items()}
    return {**asdict(finding), "evidence": evidence}


def finding_from_tree(tree: Tree) -> Finding:
    """Reads what `finding_to_tree` wrote."""
    evidence = {name: math.nan if value is None else value for name, value in tree["evidence"].items()}
    remedies = tuple(Remedy(**remedy) for remedy in tree["remedies"])
    advice = tree.get("advice")
    advice = None if advice is None else tuple(Remedy(**remedy) for remedy in advice)
    shown = tree.get("figure")
    figure = None if shown is None else _figure_from_tree(shown)
    known = {"layers": tuple(tree["layers"]), "evidence": evidence, "remedies": remedies, "advice": advice}
    return Finding(**{**tree, **known, "figure": figure})


def _figure_from_tree(tree: Tree) -> Figure:
    lines = {name: tuple(values) for name, values in tree["lines"].items()}
    return Figure(**{**tree, "epochs": tuple(tree["epochs"]), "lines": lines})


def report_to_tree(report: Report) -> Tree:
    """Writes what the checks said before the first step, one after the other."""
    checks = [
        {"title": each.title, "seen": each.seen, "findings": [finding_to_tree(finding) for finding in each.findings]}
        for each in report.checked
    ]
    return {"checks": checks}


def report_from_tree(tree: Tree) -> Report:
    """Reads what `report_to_tree` wrote."""
    checked = (
        Checked(each["title"], each["seen"], tuple(finding_from_tree(finding) for finding in each["findings"]))
        for each in tree["checks"]
    )
    return Report(tuple(checked))


def diagnosis_to_tree(signals: Signals, findings: Sequence[Finding], *, stopped: bool = False) -> Tree:
    """Writes what a run keeps: findings, the history by epoch, and each column by probe and layer.

    What JSON lacks (NaN, infinity) is null.

    Args:
        signals: Of the training.
        findings: Made of them.
        stopped: Whether they ended the training before its plan.
    """
    columns = {column.name.lower(): _finite(signals.column(column)) for column in Column}
    return {
        "skill": _finite(np.array(FirstQuestion().skill(signals))),
        "num_epochs": signals.epoch,
        "healthy_epochs": healthy_epochs(signals, findings),
        "status": "sick" if any(finding.rank for finding in findings) else "healthy",
        "stopped": stopped,
        "findings": [finding_to_tree(finding) for finding in findings],
        "facts": {name: _finite(np.array(getattr(signals.facts, name), "float64")) for name in FACTS},
        "history": {name: _finite(signals.series(name)) for name in (signals.epochs[0].logs if signals.epochs else ())},
        "layers": [asdict(layer) for layer in signals.facts.layers],
        "epochs": [reading.epoch for reading in signals.readings],
        "spread": _finite(np.array([reading.spread for reading in signals.readings])),
        "loss": _finite(np.array([reading.loss for reading in signals.readings])),
        "score": _finite(np.array([reading.score for reading in signals.readings])),
        "gradient_noise": _finite(np.array([reading.gradient_noise for reading in signals.readings])),
        "step_secs": _finite(np.array([epoch.step_secs for epoch in signals.epochs])),
        "wait_share": _finite(np.array([epoch.wait_share for epoch in signals.epochs])),
        "memory_share": _finite(np.array([epoch.memory_share for epoch in signals.epochs])),
        "learning_rate": _finite(np.array([epoch.learning_rate for epoch in signals.epochs])),
        "loss_scale": _finite(np.array([epoch.loss_scale for epoch in signals.epochs])),
        "columns": columns,
    }


def _finite(values: np.ndarray) -> Any:
    if values.ndim == 0:
        return float(values) if np.isfinite(values) else None
    return [_finite(np.asarray(each)) for each in values]
