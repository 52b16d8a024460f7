"""Diagnoses a training of a recipe by the validation split; puts what is found into the stage's record."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np

from pipeline.batches import Batches
from pipeline.diagnosis.before import Report
from pipeline.diagnosis.callback import Diagnosis
from pipeline.diagnosis.diagnose import merged
from pipeline.diagnosis.findings import Advise, Finding
from pipeline.diagnosis.page import write_page
from pipeline.diagnosis.record import DIAGNOSIS, PREFLIGHT, Tree, diagnosis_to_tree, report_from_tree, report_to_tree
from pipeline.diagnosis.reference import LARGEST
from pipeline.diagnosis.signals import Column, Signals
from pipeline.journal import Journal
from pipeline.recipe.train import MIN_DIAGNOSED, TrainConfig, trained_epochs


def watch(
    learner: keras.Model,
    section: TrainConfig,
    validation: Batches,
    journal: Journal,
    advise: Advise,
    *,
    later_epochs: int,
) -> Diagnosis | None:
    """Makes the callback that diagnoses a training; None where it is not to be, or too short, or on several devices.

    Args:
        learner: Compiled.
        section: Resolved for the task.
        validation: Batches of the validation split, the first of which are the probe.
        journal: Gets a line whenever something above a note is found.
        advise: Tells what the recipe takes of the remedies.
        later_epochs: Epochs of the plan after those that are trained now.
    """
    if section.on_sick == "ignore" or trained_epochs(section) < MIN_DIAGNOSED:
        return None
    if learner.distribute_strategy.num_replicas_in_sync > 1:
        journal.say("diagnosis: none, because it looks at one device and this training is on several")
        return None
    x, y = _probe(validation)
    on_sick: Literal["warn", "stop"] = "warn" if section.on_sick == "warn" else "stop"

    def say(findings: list[Finding]) -> None:
        journal.say(told(advise(findings)))

    return Diagnosis(x, y, on_sick=on_sick, later_epochs=later_epochs, say=say)


def told(findings: Sequence[Finding]) -> str:
    """Writes findings of one moment as one line for the terminal: the first with its remedy, the others by name."""
    first, names = findings[0], ", ".join(finding.symptom for finding in findings[1:])
    also = f" (also {names})" if names else ""
    return f"diagnosis, epoch {first.called_epoch}: {in_words(first)}{also}"


def in_words(finding: Finding) -> str:
    """What is wrong, where, and the first thing to try."""
    place = f" in {', '.join(finding.layers[:3])}" if finding.layers else ""
    return f"{finding.symptom}{place}: {finding.message} {finding.shown_remedies[0].call}"


def record(diagnosis: Diagnosis, journal: Journal, advise: Advise, earlier: Sequence[Finding] = ()) -> list[Finding]:
    """Writes `artifacts/diagnosis.json` and `.html`, and the tags by which runs are found in the UI.

    Args:
        diagnosis: Of a training that ended, or a phase of it.
        journal: Of the stage.
        advise: Tells what the recipe takes of the remedies.
        earlier: Findings of the phases before; they stay.

    Returns:
        All that was found.
    """
    folder = journal.path.parent / "artifacts"
    folder.mkdir(exist_ok=True)
    findings = advise(merged(earlier, diagnosis.findings))
    tree = diagnosis_to_tree(diagnosis.signals, findings, stopped=diagnosis.stopped)
    _write(tree, folder / DIAGNOSIS)
    checks = folder / PREFLIGHT
    before = report_from_tree(json.loads(checks.read_text(encoding="utf-8"))) if checks.exists() else None
    write_page(diagnosis.signals, findings, folder / "diagnosis.html", before=before)
    for name in (DIAGNOSIS, "diagnosis.html"):
        journal.log_artifact(folder / name)
    for epoch, values in summaries(diagnosis.signals):
        journal.log_metrics(values, step=epoch - 1)
    symptoms = [finding.symptom for finding in findings if finding.rank]
    journal.set_tags(
        {"diagnosis.status": "sick" if symptoms else "healthy", "diagnosis.symptoms": ", ".join(symptoms) or "none"}
    )
    return findings


def record_broken(diagnosis: Diagnosis, journal: Journal, advise: Advise, earlier: Sequence[Finding] = ()) -> None:
    """Judges a training that ended within an epoch because its loss was no number, and records that."""
    diagnosis.break_off()
    record(diagnosis, journal, advise, earlier)


def record_checks(report: Report, journal: Journal) -> None:
    """Writes `artifacts/preflight.json`, and the tag by which runs are found in the UI, unless they are there."""
    file = journal.path.parent / "artifacts" / PREFLIGHT
    if file.exists():
        return
    file.parent.mkdir(exist_ok=True)
    _write(report_to_tree(report), file)
    journal.log_artifact(file)
    symptoms = [finding.symptom for finding in report.findings if finding.rank]
    journal.set_tags({"diagnosis.before": ", ".join(symptoms) or "none"})


def summaries(signals: Signals) -> Iterator[tuple[int, dict[str, float]]]:
    """Yields what MLflow shows of the readings: some numbers over all layers, by epochs completed.

    The series of each layer are in `diagnosis.json`: hundreds of metrics would slow the UI down.
    """
    for reading in signals.readings:
        if reading.epoch and len(reading.layers):
            of, gradients = reading.layers.T, reading.layers[:, Column.GRADIENT]
            values = {
                "largest_gradient": gradients.max(),
                "smallest_gradient": gradients.min(),
                "largest_update": of[Column.UPDATE].max(),
                "dead_share": of[Column.DEAD].mean(),
                "saturated_share": of[Column.SATURATED].mean(),
                "gradient_noise": reading.gradient_noise,
            }
            known = {f"diagnosis/{name}": float(value) for name, value in values.items() if np.isfinite(value)}
            yield reading.epoch, known


def _write(tree: Tree, file: Path) -> None:
    file.write_text(json.dumps(tree, indent=1) + "\n", encoding="utf-8")


def _probe(validation: Batches) -> tuple[dict[str, np.ndarray], Any]:
    num_steps = min(validation.steps_per_epoch, -(-LARGEST // validation.batch_size))
    batches = [(x, y.numpy()) for x, y in validation.dataset(num_steps=num_steps)]
    names = batches[0][0].keys()
    x = {name: np.concatenate([np.asarray(each[name]) for each, _ in batches]) for name in names}
    return x, np.concatenate([y for _, y in batches])
