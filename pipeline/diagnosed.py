"""The diagnosis of a recorded run: found by the run's name, read from its folder here or from the store, printed."""

import contextlib
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mlflow.exceptions import MlflowException

from pipeline.diagnosis import record
from pipeline.diagnosis.figures import in_line
from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.record import Tree, finding_from_tree, report_from_tree
from pipeline.errors import UserError
from pipeline.recipe.tracking import TrackingConfig
from pipeline.recipe.train import MIN_DIAGNOSED
from pipeline.runs import SHORT, named_run, open_existing, roots
from pipeline.tracking import RunFolder, RunRecord, absolute_uri

DIAGNOSIS = f"train/{record.DIAGNOSIS}"
"""The artifact of a run that holds its diagnosis."""

PREFLIGHT = f"train/{record.PREFLIGHT}"
"""The artifact of a run that holds what all checks said before its first step."""

UNDIAGNOSED = (
    f"its training took fewer than {MIN_DIAGNOSED} epochs, or was on several devices, or has train.on_sick: ignore, or "
    "never began; or it is a run of several seeds, none of which is stuck: each has a run of its own"
)
"""Why a run has none."""


@dataclass(frozen=True)
class Diagnosed:
    """What a run's training was found to be."""

    run: RunRecord
    sick: bool
    findings: tuple[Finding, ...]
    skill: float
    """Score between the constant answer (0) and nearest neighbours (1); 0 where it is unknown."""
    num_epochs: int = 0
    """Epochs that it took."""
    healthy_epochs: int = 0
    """Epochs after which it had learnt and nothing was wrong yet; 0: there were none."""
    before: tuple[Finding, ...] = ()
    """What the checks before the first step found above a note; a training may turn out healthy all the same."""

    def lines(self) -> Iterator[str]:
        """Yields what the terminal shows: the verdict, then each finding with what to do."""
        yield f"{self.run.name} {self.run.id[:SHORT]}: {'sick' if self.sick else 'healthy'}"
        for finding in self.findings:
            step = f", step {finding.first_step}" if finding.first_step else ""
            yield from _lines(finding, f"since epoch {finding.first_epoch}{step}")
        said = {finding.symptom for finding in self.findings}
        for finding in self.before:
            if finding.symptom not in said:
                yield from _lines(finding, "before the first step")


def _lines(finding: Finding, when: str) -> Iterator[str]:
    place = f" in {', '.join(finding.layers)}" if finding.layers else ""
    yield ""
    yield f"{finding.severity}  {finding.symptom}{place}, {when} (confidence {finding.confidence:.0%})"
    yield f"  {finding.message}"
    shown = in_line(finding.figure) if finding.figure else ""
    yield from [f"  {shown}"] if shown else []
    yield from (f"  - {remedy}: {remedy.why}" for remedy in finding.shown_remedies)


def diagnosed(uri: str | None, name: str, *, say: Callable[[str], None] = lambda _: None) -> Diagnosed:
    """Reads the diagnosis of a run.

    Args:
        uri: MLflow tracking URI; by default that of the working directory.
        name: The run's id, the beginning of it, or its name; of a nested run its id.
        say: Told what one should know beside.

    Raises:
        UserError: If there is no such run, or its training was not diagnosed.
    """
    named = named_run(uri, name, say)
    tree = read_artifact(uri, named.id, DIAGNOSIS)
    if tree is None:
        raise undiagnosed(named)
    findings = tuple(finding_from_tree(each) for each in tree["findings"])
    return Diagnosed(
        named,
        tree["status"] == "sick",
        findings,
        tree["skill"] or 0.0,
        tree["num_epochs"],
        tree.get("healthy_epochs", 0),
        before=_found_before(uri, named.id),
    )


def _found_before(uri: str | None, run_id: str) -> tuple[Finding, ...]:
    tree = read_artifact(uri, run_id, PREFLIGHT)
    return tuple(finding for finding in report_from_tree(tree).findings if finding.rank) if tree else ()


def undiagnosed(run: RunRecord) -> UserError:
    """What to raise for a run without a diagnosis."""
    return UserError(
        f"{run.name} {run.id[:SHORT]}: expected a run with a diagnosis. It has no {DIAGNOSIS}: {UNDIAGNOSED}"
    )


def read_artifact(uri: str | None, run_id: str, path: str) -> Tree | None:
    """Reads a JSON artifact of a run, from its folder here, else from the store; None if it has none."""
    place = absolute_uri(uri or TrackingConfig().uri, Path.cwd())
    for folder in (RunFolder(root / run_id) for root in roots(place)):
        if folder.artifact(path).exists():
            return _load(folder.artifact(path))
    with tempfile.TemporaryDirectory() as here, contextlib.suppress(MlflowException, OSError):
        return _load(Path(open_existing(uri).client.download_artifacts(run_id, path, here)))
    return None


def _load(file: Path) -> Tree:
    tree: Tree = json.loads(file.read_text(encoding="utf-8"))
    return tree
