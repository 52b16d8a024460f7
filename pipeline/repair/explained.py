"""`plumbline explain RUN`: a page on what was wrong with a training, what mended it, and both curves, for teaching."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from pipeline.diagnosed import DIAGNOSIS, read_artifact, undiagnosed
from pipeline.diagnosis.candidates import BODIES
from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.record import Tree, finding_from_tree
from pipeline.diagnosis.remedies import STANDARDIZE, Remedy, smaller_from
from pipeline.diagnosis.rules import RULES
from pipeline.errors import UserError
from pipeline.nested import SEEDS
from pipeline.recipe.tracking import TrackingConfig
from pipeline.repair.account import CONTROL_DID
from pipeline.repair.chart import Curve, chart, heat_maps
from pipeline.repair.record import BEFORE, FILE, OF, PROMOTED
from pipeline.repair.trials import in_words
from pipeline.runs import SHORT, named_run, runs_with
from pipeline.tracking import Tracking

RED, GREEN = "#b3382c", "#2f855a"
"""Before and after."""

EXPERIMENT = "explanations"
"""Where the runs of pages lie."""

MAPS = {
    "gradient": (
        "Gradient",
        "How strongly the loss pulls at each layer's weights; a layer without any does not learn.",
    ),
    "spread": ("Spread of outputs", "How much a layer's output differs between examples; at 0 nothing gets past it."),
    "dead": ("Dead units", "Share of units that give 0 for every example."),
    "saturated": ("Saturated outputs", "Share of outputs at the flat ends of their activation."),
}
"""Columns of a diagnosis: title, and what they mean."""

SHARES = ("dead", "saturated")
"""Columns that are shown only where a layer has any."""


@dataclass(frozen=True)
class Explained:
    """What the page is about."""

    run_id: str
    name: str
    before: Tree
    after: Tree | None
    """The diagnosis of the repaired training; None: the run was not repaired."""
    repair: Tree | None
    """Of the latest repair of the run; None: there was none."""
    repair_run: str = ""
    of_seeds: bool = False
    """Whether the run is of several seeds; then what is told is of one that is stuck."""


def explain_run(uri: str | None, name: str, out: Path, *, say: Callable[[str], None] = lambda _: None) -> str:
    """Writes the page of a run and logs it to a run of its own.

    Args:
        uri: MLflow tracking URI; by default that of the working directory.
        name: The run's id, the beginning of it, or its name; a sick run, or the run of its repair.
        out: HTML file to write.
        say: Told what one should know beside.

    Returns:
        Id of the run that has the page.

    Raises:
        UserError: If there is no such run, or its training was not diagnosed.
    """
    found = _find(uri, name, say)
    write_page(found, out)
    config = TrackingConfig() if uri is None else TrackingConfig(uri=uri)
    tracking = Tracking.open(config, experiment=EXPERIMENT, base=Path.cwd(), say=say)
    with tracking.run(
        f"{found.name} explained", params={"run": found.run_id}, environment={}, artifacts={}, shipping=None
    ) as run:
        run.log_file(out, "explanation")
    return run.id


def write_page(found: Explained, out: Path) -> None:
    """Writes the page; it needs no other file."""
    templates = Path(__file__).parent.parent / "templates"
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(templates), autoescape=True)
    findings = [finding_from_tree(each) for each in found.before["findings"]]
    grave = [finding for finding in findings if finding.rank]
    both = {"before": found.before} | ({"after": found.after} if found.after else {})
    text = environment.get_template("explanation.html").render(
        title=f"{found.name}: {_title(found)}",
        run=found.run_id[:SHORT],
        summary=_summary(found.before),
        gains=[f"Gained: {gain}" for gain in found.repair["gains"]] if found.repair and found.after else [],
        findings=grave,
        meanings={rule.symptom: _meaning(rule) for rule in RULES},
        changes=list(reasons(found.repair["after"]["overrides"], findings)) if found.repair and found.after else [],
        after=found.after,
        charts=list(_charts(found.before, found.after)),
        maps=list(_maps(both)),
        epochs={which: tree["epochs"] for which, tree in both.items()},
        trials=list(_trials(found.repair)) if found.repair else [],
        control_did=CONTROL_DID if found.repair and (found.repair["control"] or {}).get("healthy") else "",
        repair_run=found.repair_run[:SHORT],
        of_seeds=found.of_seeds,
    )
    out.write_text(text, encoding="utf-8")


def reasons(overrides: Mapping[str, Any], findings: Sequence[Finding]) -> Iterator[tuple[str, str]]:
    """Says of each change why it helps, by the remedy that it is of.

    Args:
        overrides: All that was changed.
        findings: Of the sick training; their remedies are looked through first.
    """
    remedies = [remedy for finding in findings for remedy in finding.remedies]
    if epoch := overrides.get("train.schedule.every_epochs"):
        remedies.append(smaller_from(epoch))
    left = dict(overrides)
    for remedy in (*remedies, *BODIES, STANDARDIZE):
        part = {key: value for key, value in remedy.overrides.items() if key in left and left[key] == value}
        if part and set(remedy.overrides) & set(left) == set(part):
            left = {key: value for key, value in left.items() if key not in part}
            yield str(Remedy(part, "")), remedy.why
    for key, value in left.items():
        why = "other random numbers alone made it healthy" if key == "seed" else "as part of the whole that was tried"
        yield str(Remedy({key: value}, "")), why


def _find(uri: str | None, name: str, say: Callable[[str], None]) -> Explained:
    found = named_run(uri, name, say)
    sick = found.tags.get(OF) or found.tags.get(BEFORE, found.id)
    before = read_artifact(uri, sick, DIAGNOSIS)
    if before is None:
        raise undiagnosed(found)
    if "history" not in before:
        raise UserError(f"explain: expected a run whose diagnosis has its history. Run {found.name} again")
    for repair in runs_with(uri, OF, sick):
        tree = read_artifact(uri, repair.id, FILE)
        if tree:
            is_better = tree["verdict"] in PROMOTED
            after = read_artifact(uri, tree["after"]["run_id"], DIAGNOSIS) if is_better else None
            return Explained(sick, found.name, before, after, tree, repair.id)
    return Explained(sick, found.name, before, None, None, of_seeds=SEEDS in found.tags)


def _title(found: Explained) -> str:
    if found.before["status"] == "healthy":
        return "healthy"
    return f"sick, then {found.repair['verdict']}" if found.repair else "sick"


def _summary(tree: Tree) -> str:
    facts, skill = tree["facts"], tree["skill"]
    text = f"It took {tree['num_epochs']} of {facts['planned_epochs']:g} planned epochs"
    if skill is None or facts["neighbours"] is None:
        return f"{text}."
    return (
        f"{text} and came {max(0.0, skill):.0%} of the way from the best answer that ignores the input "
        f"({facts['chance']:.3g}) to what nearest neighbours get ({facts['neighbours']:.3g})."
    )


def _meaning(rule: Any) -> str:
    return " ".join((inspect.getdoc(type(rule)) or "").split())


def _charts(before: Tree, after: Tree | None) -> Iterator[tuple[str, str]]:
    trees = {"before": (before, RED)} | ({"after": (after, GREEN)} if after else {})
    names = [name for name in before["history"] if f"val_{name}" in before["history"]]
    for name in names:
        curves = [
            Curve(f"{which}, {split}", tree["history"].get(prefix + name, []), colour, dashed=not prefix)
            for which, (tree, colour) in trees.items()
            for prefix, split in (("", "training"), ("val_", "validation"))
        ]
        facts = before["facts"]
        is_loss = name == "loss"
        level = facts["constant_loss"] if is_loss else facts["chance"] if "accuracy" in name else None
        top = 4 * level if is_loss and level else None
        yield name.replace("_", " ").capitalize(), chart(f"{name} by epoch", curves, level=level, top=top)


def _maps(trees: Mapping[str, Tree]) -> Iterator[tuple[str, str, Any]]:
    names = [layer["name"] for layer in next(iter(trees.values()))["layers"]]
    for column, (title, meaning) in MAPS.items():
        tables = {which: tree["columns"][column] for which, tree in trees.items()}
        if column in SHARES and not any(value for rows in tables.values() for row in rows for value in row):
            continue
        yield title, meaning, heat_maps(names, tables, logarithmic=column not in SHARES)


def _trials(repair: Tree) -> Iterator[tuple[str, Tree, str]]:
    named = {"before": repair["before"], "control": repair["control"]}
    named |= {f"trial {number}": trial for number, trial in enumerate(repair["trials"], 1)}
    for name, trial in named.items():
        if trial:
            yield name, trial, in_words(trial["overrides"])
