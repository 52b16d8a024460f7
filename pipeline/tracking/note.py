"""The note on a run's page: five lines on what was done, on what data, how it went and what to look at."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.manifest import Manifest
from pipeline.results import in_words, scores_on_test

FIGURES_NAMED = 2
"""Pictures and reports of each stage that the note points to."""


@dataclass
class StageFacts:
    """How one stage went."""

    name: str
    how: str
    """`ran`, or `reused` from an earlier run."""
    seconds: float = 0.0
    """Wall time that the stage took in this run."""
    lines: list[str] = field(default_factory=list)
    """What the stage said to the user."""
    artifacts: list[str] = field(default_factory=list)
    """Paths of its artifacts in the run."""
    reason: str = ""
    """Why it ran, or which run it was reused from."""
    summary: str = ""
    """What it gave, one line; empty if it did not end."""


@dataclass
class RunFacts:
    """What a run's records have told so far."""

    name: str
    params: Mapping[str, object]
    stages: list[StageFacts] = field(default_factory=list)
    data: Manifest | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    """Last value of each metric."""
    tags: dict[str, str] = field(default_factory=dict)
    error: str | None = None
    """One line on why the run did not finish."""
    note: str | None = None
    """A note of the run's own in place of the five lines."""
    report: str = ""
    """Path of the report among the artifacts; empty if there is none."""


def compose_note(facts: RunFacts) -> str:
    """Writes the note as a Markdown list of five lines."""
    if facts.note:
        return facts.note
    lines = {
        "Done": _done(facts),
        "Data": _data(facts),
        "Training": _training(facts),
        "Test": _test(facts),
        "Look at": _look_at(facts),
    }
    return "\n".join(f"- **{title}**: {text}" for title, text in lines.items())


def compose_stage_note(reason: str, stage: StageFacts, summary: str) -> str:
    """Writes the note of a stage's nested run: why it ran, what came of it, what it said."""
    return "\n".join(f"- {line}" for line in (f"Why: {reason}", *([summary] if summary else []), *stage.lines))


def _done(facts: RunFacts) -> str:
    ran = [f"{stage.name} ({stage.seconds:.1f} s)" for stage in facts.stages if stage.how == "ran"]
    reused = [stage.name for stage in facts.stages if stage.how == "reused"]
    parts = [f"recipe `{facts.name}`"]
    if ran:
        parts.append(f"ran {', '.join(ran)}")
    if reused:
        parts.append(f"reused {', '.join(reused)}")
    if facts.error:
        parts.append(f"then stopped: {facts.error}")
    return "; ".join(parts)


def _data(facts: RunFacts) -> str:
    if facts.data is None:
        return "none was collected"
    data = facts.data
    splits = ", ".join(f"{count:,} {split}" for split, count in data.counts.items())
    total = f"{sum(data.counts.values()):,} examples ({splits})"
    return f"{data.source}: {total}, {data.task} {data.kind}, fingerprint `{data.fingerprint[:12]}`"


def _training(facts: RunFacts) -> str:
    if "best/epoch" not in facts.metrics:
        return "none"
    best = {key.removeprefix("best/"): value for key, value in facts.metrics.items() if key.startswith("best/")}
    epoch = int(best.pop("epoch"))
    validation = {key: value for key, value in best.items() if key.startswith("val_")}
    return f"`{facts.params.get('model.type', 'model')}`, best epoch {epoch}: {_values(validation or best)}"


def _test(facts: RunFacts) -> str:
    names = scores_on_test(facts.metrics)
    if not names:
        return "not evaluated"
    model = registered_as(facts.tags)
    test = ", ".join(f"{name} {in_words(name, facts.metrics, '.4g')}" for name in names)
    return f"{test}; " + (f"registered as {model}" if model else "not registered")


def _look_at(facts: RunFacts) -> str:
    said = [f"{stage.name} says: {stage.lines[-1]}" for stage in facts.stages if stage.lines]
    figures = [f"`{path}`" for stage in reversed(facts.stages) for path in _figures(stage)[:FIGURES_NAMED]]
    report = [f"`{facts.report}`"] if facts.report else []
    return "; ".join([*report, *said[-1:], *figures]) or "nothing in particular"


def _figures(stage: StageFacts) -> list[str]:
    return [path for path in stage.artifacts if path.endswith((".png", ".html"))]


def registered_as(tags: Mapping[str, str]) -> str:
    """The registered model of a run in words, such as `digits 3 (champion)`; empty if there is none."""
    if "registered.version" not in tags:
        return ""
    alias = tags.get("registered.alias")
    return f"{tags['registered.name']} {tags['registered.version']}" + (f" ({alias})" if alias else "")


def _values(metrics: Mapping[str, float]) -> str:
    return ", ".join(f"{key} {value:.4g}" for key, value in metrics.items())
