"""Writes docs/diagnosis.md: how trainings are diagnosed, every rule, and what was measured. Run by `make docs`."""

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent

sys.path.insert(0, str(ROOT))  # the planted faults are those of the tests

from pipeline.diagnosis.before import CHECKS, Check  # noqa: E402
from pipeline.diagnosis.candidates import BODIES  # noqa: E402
from pipeline.diagnosis.learning import FirstQuestion  # noqa: E402
from pipeline.diagnosis.remedies import TRAVEL, Remedy  # noqa: E402
from pipeline.diagnosis.repair import MAX_TRIALS  # noqa: E402
from pipeline.diagnosis.rules import RULES  # noqa: E402
from pipeline.diagnosis.rules.rule import Rule  # noqa: E402
from tests.diagnosis.test_rules import PLANTED, found  # noqa: E402

MEASURED = ROOT / "benchmarks/diagnosis.txt"
"""What `python -m benchmarks.diagnosis --corpus DIR` printed."""

ZOO = ROOT / "benchmarks/diagnosis_zoo.txt"
"""What `python -m benchmarks.diagnosis` printed."""

PUBLISHED = ROOT / "benchmarks/diagnosed/published_rules"
"""One file a tool, whose rules ours are compared with."""

EVIDENCE = ROOT / "docs/diagnosis_evidence.md"
"""How it was measured, and why each miss is one; by hand."""

CONTROLS = ROOT / "benchmarks/diagnosis_controls.txt"
"""What `python -m benchmarks.diagnosis_controls` printed."""

COST = ROOT / "benchmarks/diagnosis_cost.txt"
"""What `python -m benchmarks.diagnosis_cost` printed, with the commands."""

HEAD = """# Diagnosis of trainings

Made by `make docs` from the rules in `pipeline/diagnosis/rules/`. It works on any Keras model with a compiled loss that
keeps no state from batch to batch:

```python
from pipeline.diagnosis import Diagnosis

diagnosis = Diagnosis(x_val, y_val)  # a few hundred examples, as `fit` takes them
model.fit(x, y, epochs=50, validation_data=(x_val, y_val), callbacks=[diagnosis])
diagnosis.healthy
diagnosis.findings  # symptom, layers, first_epoch, severity, confidence, evidence, remedies
```

Every training of a recipe with 5 epochs or more is diagnosed like this (`train.on_sick`: `warn`, `stop`, `repair`,
`ignore`), unless it is on several devices at once; `plumbline diagnose RUN` prints what was found and ends with 3 if it
is sick, and the run has a page, `diagnosis.html`.

The callback changes nothing of the training: it looks at the network over up to 256 of these examples (64 of them where
the network is large), by one compiled forward and backward pass, before the first step, after epochs 1, 4, 16, 64, … up
to four fifths of the plan, and at its end. Beside losses and metrics it sees how long steps take, whether they find
their batch ready, and how much memory is left. The rules are asked after each look and after 10, 20, 30, 50 and 70 % of
the plan, and at once where the loss becomes no number. Where the output did not vary at the last look, or the loss was
far higher than before the first step and than a constant answer's, it looks again whenever the rules are asked, and
after a twentieth of the plan. Where `fit` reports no accuracy, how far the training came is known after a look only.
With `on_sick="stop"` the first critical finding ends the training.

In MLflow a run has the tags `diagnosis.status`, `diagnosis.symptoms` and `diagnosis.before` (what was found before the
first step), a few series over all layers (`diagnosis/largest_gradient`, …) and, in the artifacts of its train stage,
`diagnosis.json` with the series of every layer and `preflight.json` with what all checks saw.
`plumbline run RECIPE --seeds 5` also says which seeds got stuck where the others did not.

What a run, its pages, `plumbline check` and `plumbline diagnose` print of the remedies are overrides that its recipe
takes and that change it; where no remedy of a finding is one, it says in words what to do.

**note** is worth knowing and means no harm so far; **warning** should be mended; **critical** means that going on is
pointless. A finding stays once it is made. The first one names the cause; later ones are often its consequences.

## The first question: does it learn at all?

Two answers need no training: the best **constant** answer (the most frequent class, the mean), and **nearest
neighbours**, each example of the probe answered by the others. A training's *skill* is its accuracy placed between
these: 0 is chance, 1 is what nearest neighbours get. Most faults are grave only where a training does not learn, and a
note where it does: half of the units may be dead in a network that works.

Where neighbours are no better than chance, or there are none (text, several labels at once, several outputs), the skill
is unknown: such a training is called sick if its output does not vary, its loss is broken or does harm, or after much
of the plan its score is no better than chance and its loss no better than that of not knowing (of several labels or
values: than the constant answer's). How far it could have come is not known; with several outputs, only a constant
output and a broken loss are told.
"""

PREFLIGHT = """## Before training: the pre-flight

`plumbline check RECIPE` looks at a training before its first step, takes seconds, and ends with 3 if something should
be mended. For any compiled Keras model:

```python
from pipeline.diagnosis import preflight

report = preflight(model, x, y, x_val=x_val, epochs=50, batch_size=32)
report.healthy
report.findings  # as above
print(report)  # a line a check: verdict, what was seen; below it what to change
```

It takes some steps on one batch, and leaves weights, statistics, seeds and optimiser as they were. Where the loss
cannot take the labels at all, it says so and looks no further, and the callback refuses to begin. Every run says as
well what can be known from its labels and the first look of its diagnosis, which costs next to nothing; the checks that
take seconds (one batch, save and load) are made at the beginning of a training of 20,000 steps or more, beside which
they do not matter. For leakage its collect stage has looked already. A run without a diagnosis (of fewer than 5 epochs,
or on several devices) takes no look: there its learning rate, frozen layers, batch normalisation and classes are
checked. `train.on_sick: ignore` turns all of them off.
"""

REPAIR = """## Repair

`plumbline repair RUN` tries changes of a sick run's recipe beside an **untouched control**: the same recipe with other
random numbers, trained to its end. Each trial is stopped as soon as it is critically sick, so that what does not help
costs little, and each training is a run of its own below that of the repair, which is below the sick one. A healthy
training is left alone.

A training that was healthy first and whose steps became too large later (`too_large_steps`, `exploding_gradient`,
`nan`, `diverging`, `oscillating_loss`) is **rolled back**: the first change is a schedule that is the same up to its
last healthy epoch and has a tenth of the rate from there on, so that the epochs before are those of the sick run, to
the bit. All else is wrong from the start or changes the network, and **starts again**. There each change is a whole: an
activation with the weights that belong to it, Adam at a rate that fits the plan, and what the findings name for sure
(the output's activation, the loss, the scale of the input, layers that are too narrow). In this order:

{bodies}
4. the first of them with standardised input and more units, then with three times the epochs as well;
5. where none of these was enough, changes for what is found of the best of them, on top of it;
6. then the findings' own remedies, each alone, those of the gravest finding first.

There are {trials} trials at most, so that the last two of these are tried where those before left some. A trial has the
whole plan, since what a short one gets says little of a long one; it is stopped once it is critically sick.

Families of networks that are known with their activation (convolutional, residual, text) keep it in the first change,
and come to tanh last. The rate of Adam is what moves a weight by about {travel:g} over all steps of the plan, between
the published 0.001 and ten times that, and at most a tenth of 1 / √units.

Where nothing is wrong but overfitting, its remedies are tried as they are. Once a training is healthy, a last one tries
whether the part that the gravest finding names does alone; if it does as well, within 0.01 of skill, that
is the repair.

The trials have the recipe's own seed, so that the best of them *is* the training of the recipe that is written. Sick
run, control and trial answer the same validation examples; accuracy is compared by McNemar's exact test with Tango's
interval, log loss by a paired t-test, p-values corrected for the two and for the number of trials that the best was
chosen from. Where another training left no network, or the sick one is gone from the cache, a healthy training counts
as better than it. The verdict is one of

- *repaired*: healthy, and better than the sick training and the control;
- *improved*: better than both, but still sick; or healthy, and shown to be better than the sick training alone. Where
  the untouched control is healthy too, the repair says that the recipe depends on its seed; and where no change is, its
  seed is what the repaired recipe changes;
- *not repaired*.

The recipe that is written, `repaired.yaml`, says above what was changed, why, and what it gained; `plumbline explain
RUN` makes a page of it. Stopped by Ctrl-C and called again, a repair goes on where it was: finished trainings are in
the cache, the one that was stopped has its checkpoint.

With `train.on_sick: repair`, `plumbline run` does all this by itself: the recipe is trained in a run nested in the main
one, repaired if it is sick, and the main run goes on with the network that was proven better, under the tags
`repair.verdict` and `repair.changed`. Where nothing helped it goes on with the sick one and says so, or fails if there
is none because the loss became no number. In Python, `pipeline/diagnosis/repair.py::repair` repairs any trainings.
"""


CONTROLS_NOTES = """The built-in recipes and every family of models, as the pipeline trains and checks them. The skill
is how far a training came from the constant answer (0) to nearest neighbours (1); `nan`: these say nothing there, and
the training is only held to the constant answer.
"""


COST_NOTES = """Both sides are whole trainings, with compilation. What it costs is mostly paid once: the pass is
compiled (about as long as five steps of a network as small as this one take), nearest neighbours are found; a reading
takes about as long as a training step, and there are five in 60 epochs. Small networks and short plans feel it, long
ones do not: of a training of a few seconds it is several per cent.
"""


def page() -> str:
    """Returns the page as Markdown."""
    parts = [HEAD, _fields(FirstQuestion()), f"*Source: {FirstQuestion.source}.*\n", "## Rules\n"]
    parts += [_table("symptom", [(rule.symptom, rule) for rule in RULES])]
    parts += [_described(rule.symptom, rule) for rule in RULES]
    parts += [PREFLIGHT, _table("looked at", [(check.title, check) for check in CHECKS])]
    parts += [_described(check.title, check) for check in CHECKS]
    parts += [REPAIR.format(bodies=_remedies(BODIES).rstrip(), travel=TRAVEL, trials=MAX_TRIALS)]
    parts += ["## Measured\n", *_measured()]
    parts += ["## Healthy controls\n", CONTROLS_NOTES]
    parts += [f"```\n$ python -m benchmarks.diagnosis_controls\n{CONTROLS.read_text()}```\n"]
    if COST.exists():
        parts += [
            "## Cost\n",
            COST_NOTES,
            f"```\n{COST.read_text()}```\n",
        ]
    return "\n".join(parts)


def _table(name: str, entries: Sequence[tuple[str, Rule | Check]]) -> str:
    lines = [f"| {name} | in one line |", "| --- | --- |"]
    lines += [
        f"| [{heading}](#{heading.replace(' ', '-')}) | {_first_paragraph(described)} |"
        for heading, described in entries
    ]
    return "\n".join(lines) + "\n"


def _measured() -> Iterator[str]:
    """Tables as they were printed, between what they mean and why each miss is one."""
    before, after = EVIDENCE.read_text(encoding="utf-8").split("<!-- tables -->\n")
    yield before
    for file in (MEASURED, ZOO):
        if file.exists():
            yield file.read_text(encoding="utf-8")
    yield "### The published rules\n"
    yield from (_published(file) for file in sorted(PUBLISHED.glob("*.py")) if file.stem not in ("__init__", "call"))
    yield after


def _published(file: Path) -> str:
    """What a file of published rules says of their source, and of what is left out."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    judges = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == file.stem]
    texts = [ast.get_docstring(node) or "" for node in (tree, *judges)]
    words = " ".join(" ".join(texts).split())
    return textwrap.fill(words, 120, initial_indent="- ", subsequent_indent="  ", break_long_words=False)


def _described(heading: str, described: Rule | Check) -> str:
    text = [f"### {heading}\n", inspect.getdoc(type(described)) or "", f"\nSource: {described.source}.\n"]
    if isinstance(described, Rule):
        text.insert(2, f"\n![{heading}: found, and a near miss](images/diagnosis/{heading}.svg)")
    text += [f"Symptom: `{described.symptom}`.\n"] if heading != described.symptom else []
    text += [_fields(described)] if type(described).model_fields else []
    if isinstance(described, Rule) and not type(described).model_fields:
        text += ["No threshold: it is so, or it is not.\n"]
    remedies = described.remedies if isinstance(described, Check) else _found_remedies(described)
    whose = "" if isinstance(described, Check) else ", in numbers of the training in the picture"
    text += [f"What usually helps{whose}:\n", _remedies(remedies)] if remedies else []
    return "\n".join(text)


def _found_remedies(rule: Rule) -> tuple[Remedy, ...]:
    """What the first planted fault of a rule gets, of which its picture is made; rates and sizes are of that one."""
    planted = next(each for each in PLANTED if each.symptom == rule.symptom)
    finding = found(planted.sick(), rule.symptom)
    assert finding
    return finding.remedies


def _first_paragraph(described: Rule | Check) -> str:
    return (inspect.getdoc(type(described)) or "").split("\n\n")[0].replace("\n", " ")


def _fields(holder: Rule | Check | FirstQuestion) -> str:
    lines = ["| threshold | value | meaning |", "| --- | --: | --- |"]
    for name, field in type(holder).model_fields.items():
        meaning = (field.description or "").replace("\n", " ")
        lines.append(f"| `{name}` | {getattr(holder, name):g} | {meaning} |")
    return "\n".join(lines) + "\n"


def _remedies(remedies: tuple[Remedy, ...]) -> str:
    return "\n".join(f"{place}. `{remedy}`: {remedy.why}." for place, remedy in enumerate(remedies, 1)) + "\n"


if __name__ == "__main__":
    (ROOT / "docs/diagnosis.md").write_text(page(), encoding="utf-8")
