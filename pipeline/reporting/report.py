"""Writes the report of a run: what was done, data, training, test, errors, cost, and how to do it again."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pipeline.compute.quantities import duration, size
from pipeline.diagnosis.record import finding_from_tree
from pipeline.pages import render
from pipeline.reporting.recorded import Artifacts, costs, epochs
from pipeline.results import HIGH, LOW, TEST, scores_on_test

if TYPE_CHECKING:
    from pipeline.tracking import Run
    from pipeline.tracking.note import RunFacts

REPORT = "report.html"
"""Artifact of a run."""

IN_SHARES = ("accuracy", "auc", "f1", "precision", "recall", "calibration_error")
"""Parts of the names of metrics that lie in [0, 1] and are drawn on one scale, but for errors."""

MAX_CLASSES, MAX_GROUPS, MAX_ROWS = 20, 8, 12

FIGURES = {
    "confusion": "How often each class was taken for each",
    "residuals": "Predicted and true values",
    "calibration": "How sure the model is, and how often it is right then",
    "robustness": "The score as the test examples are corrupted, little by little",
}
"""Pictures of the test examples that are shown, and what they are."""

MORE_FIGURES = {
    "per_class": "Precision and recall of each class",
    "roc_pr": "ROC and precision-recall",
    "slices": "All groups of test examples",
}
"""Those that are folded away."""


@contextmanager
def reported(run: "Callable[[], Run | None]") -> Iterator[None]:
    """Writes the report of a run at the end of a block, however it is left; of no run, none.

    Args:
        run: Gives the run at the end of the block.
    """
    error = ""
    try:
        yield
    except BaseException as stopped:
        error = f"{type(stopped).__name__}: {stopped}".splitlines()[0]
        raise
    finally:
        if found := run():
            write_report(found, error=error)


def write_report(run: "Run", *, error: str = "") -> None:
    """Writes the report of what a run has recorded so far, as its artifact `report.html`.

    Args:
        run: The run.
        error: Why it did not finish.
    """
    run.log_text(compose(run, error), REPORT)
    run.facts.report = REPORT


def compose(run: "Run", error: str) -> str:
    """The page; arguments as in `write_report`."""
    facts, artifacts, records = run.facts, Artifacts(run.folder), list(run.folder.records())
    started, spent = datetime.fromtimestamp(run.folder.header.started / 1000, UTC), costs(records)
    data, diagnosis = (artifacts.tree(name) for name in ("collect/data_report.json", "train/diagnosis.json"))
    return render(
        "report.html",
        facts=facts,
        run_id=run.id,
        error=error,
        started=f"{started:%-d %B %Y, %H:%M} UTC",
        lines={stage.name: stage.lines for stage in facts.stages},
        spent=spent,
        seconds=sum(cost.seconds for cost in spent.values()),
        data=data,
        largest=max(
            (sum(row[split] for split in data["manifest"]["counts"]) for row in data.get("balance", [])), default=1
        ),
        curves=_curves(epochs(records), facts.metrics),
        diagnosis=diagnosis and {"findings": [finding_from_tree(each) for each in diagnosis["findings"]]},
        scores=list(_scores(facts.metrics)),
        groups=artifacts.rows("evaluate/slices.csv"),
        group_metrics=artifacts.rows("evaluate/slice_metrics.csv"),
        figures=_figures(artifacts, FIGURES),
        more_figures=_figures(artifacts, MORE_FIGURES),
        errors=artifacts.tree("evaluate/errors.json") or artifacts.rows("evaluate/errors.csv"),
        registered=_registered(facts),
        seeds=[name for name in scores_on_test(facts.metrics) if f"seeds/{name}_share" in facts.metrics],
        recipe=artifacts.text("recipe.yaml"),
        environment=artifacts.tree("environment.json"),
        limits={"classes": MAX_CLASSES, "groups": MAX_GROUPS, "rows": MAX_ROWS},
        duration=duration,
        size=size,
    )


@dataclass(frozen=True)
class Score:
    """A metric on test, with its interval if it has one, and on the other splits if they were scored."""

    name: str
    test: float
    low: float | None
    high: float | None
    validation: float | None
    train: float | None

    @property
    def is_share(self) -> bool:
        """Whether 1 is the best there can be."""
        return any(part in self.name for part in IN_SHARES) and "error" not in self.name


def _scores(metrics: Mapping[str, float]) -> Iterator[Score]:
    for name, value in scores_on_test(metrics).items():
        low, high = (metrics.get(f"{TEST}{name}{end}") for end in (LOW, HIGH))
        yield Score(name, value, low, high, metrics.get(f"validation/{name}"), metrics.get(f"train/{name}"))


def _curves(history: Sequence[dict[str, Any]], metrics: Mapping[str, float]) -> list[str]:
    if not history:
        return []
    from pipeline.figures import curve_drawings

    return curve_drawings(history, metrics.get("best/epoch"))


def _figures(artifacts: Artifacts, figures: Mapping[str, str]) -> dict[str, str]:
    """What a picture shows, to its address; those that there are."""
    found = {caption: artifacts.picture(f"evaluate/{name}.png") for name, caption in figures.items()}
    return {caption: picture for caption, picture in found.items() if picture}


def _registered(facts: "RunFacts") -> str:
    from pipeline.tracking.note import registered_as

    return registered_as(facts.tags)
