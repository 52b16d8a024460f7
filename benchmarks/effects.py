"""From trainings with and without a technique to effects with intervals and tests, and to the table of them."""

import hashlib
import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.catalogue import BASES, TECHNIQUES, Base, Technique, written
from pipeline.comparison.correction import holm

LEVEL = 0.05
"""Largest corrected p that counts as a difference."""

MIN_SEEDS = 5
"""Pairs of trainings below which nothing is said."""

Tree = dict[str, Any]

HEAD = """# Techniques, measured

Made by `python -m benchmarks.techniques`, which trains what was not measured yet and writes this page;
`--table` only writes it. The trainings are in `benchmarks/techniques.jsonl`, the rows in `benchmarks/catalogue.py`.

## How to read it

- Each row is one change of a **plain recipe** (no regularisation, a constant learning rate, no augmentation), or of the
  plain recipe together with what stands after *with*. Nothing was tuned, neither the recipe nor the technique: one that
  does nothing here may do much on other data or at another strength, and the other way round.
- **off** and **on** are means over seeds of the score on the **validation** split, in per cent: the test set stays
  sealed. The split is the same for all; a seed decides the initial weights, the order and all that is random.
- **difference**: on − off over pairs of the same seed, in percentage points, with the 95 % interval of its mean
  (Student's t). **p**: paired t-test, corrected by Holm for the rows of the table: where no technique did anything, one
  table of twenty would name one. With few seeds only large effects pass: *not distinguishable* is no proof that there
  is none, and the interval says how large it may be.
- **log loss**: on − off of the cross-entropy in nats, below 0 is better; it shows what accuracy does not, as
  over-confidence. Techniques that change what is minimised (label smoothing, mixup, focal loss) move it by design.
- **cost**: CPU time of the training with the technique, as a multiple of that without (median over seeds): all its
  epochs with validation, start-up and compilation apart, on one thread. A training without is made once for all rows
  that compare with it, so that on a machine with other work to do costs are off by up to a half.
- *identical*: not one output differed in any seed; *diverged*: the loss became infinite.
"""


@dataclass(frozen=True)
class Training:
    """One training that has ended."""

    recipe: str
    """`digest` of the recipe as it is written."""
    seed: int
    day: str
    machine: str
    """Processor and libraries."""
    scores: Mapping[str, float] = field(default_factory=dict)
    """Metrics on the validation split; none if it diverged."""
    secs: float = 0.0
    """CPU time of all epochs, start-up apart."""
    num_epochs: int = 0
    error: str = ""
    """Why there are no scores."""


@dataclass(frozen=True)
class Effect:
    """A technique on one data set, over the seeds that were trained on both sides."""

    off: Sequence[Training]
    on: Sequence[Training]
    score: str
    """The metric that is compared."""

    def differences(self, metric: str) -> np.ndarray:
        """On − off of a metric, a pair each."""
        return np.array([on.scores[metric] - off.scores[metric] for on, off in zip(self.on, self.off, strict=True)])

    @property
    def num_diverged(self) -> int:
        """Trainings with the technique whose loss became infinite."""
        return sum(not training.scores for training in (*self.on, *self.off))

    @property
    def identical(self) -> bool:
        """Whether the technique changed nothing at all."""
        return not any(self.differences(metric).any() for metric in self.on[0].scores)

    @property
    def p(self) -> float:
        """Paired t-test of the score; 1 where nothing differs or something diverged."""
        if self.num_diverged or not self.differences(self.score).any():
            return 1.0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Differences that are all equal: p is 0 then, as it should be.
            return float(stats.ttest_1samp(self.differences(self.score), 0.0).pvalue)


def digest(tree: Tree) -> str:
    """Identifies a recipe as it is written, so that a key added to the schema outdates no measurement."""
    return hashlib.blake2b(json.dumps(tree, sort_keys=True).encode(), digest_size=8).hexdigest()


def interval(differences: np.ndarray) -> tuple[float, float]:
    """Gives the 95 % interval of the mean of paired differences (Student's t)."""
    half = stats.t.ppf(0.975, len(differences) - 1) * stats.sem(differences)
    return differences.mean() - half, differences.mean() + half


def effect(base: Base, technique: Technique, trainings: Iterable[Training]) -> Effect | None:
    """Pairs the trainings with and without a technique by their seeds; None with fewer than `MIN_SEEDS`."""
    off, on = digest(written(base, technique.both)), digest(written(base, technique.both, technique.on))
    sides = {side: {t.seed: t for t in trainings if t.recipe == side} for side in (off, on)}
    seeds = sorted(sides[off].keys() & sides[on].keys())
    if len(seeds) < MIN_SEEDS:
        return None
    return Effect([sides[off][seed] for seed in seeds], [sides[on][seed] for seed in seeds], base.score)


def report(trainings: Sequence[Training]) -> str:
    """Writes the page: how to read it, a table a data set, and what was not measured."""
    parts = [HEAD]
    for name, base in BASES.items():
        rows = [technique for technique in TECHNIQUES if name in technique.bases]
        effects = [effect(base, technique, trainings) for technique in rows]
        measured = [(row, found) for row, found in zip(rows, effects, strict=True) if found]
        missing = [row.name for row, found in zip(rows, effects, strict=True) if not found]
        parts += [f"## {name}\n", f"{base.about[0].upper()}{base.about[1:]}.\n"]
        parts += [_table(measured), _conditions([found for _, found in measured])] if measured else []
        parts += [f"Not measured yet: {'; '.join(missing)}.\n"] if missing else []
    return "\n".join(parts)


def _table(rows: Sequence[tuple[Technique, Effect]]) -> str:
    lines = [
        "| technique | key | source | off | on | difference [95 %] | p | verdict | log loss | cost |",
        "| --- | --- | --- | --: | --: | --- | --: | --- | --: | --: |",
    ]
    corrected = holm([found.p for _, found in rows])
    for (technique, found), p in zip(rows, corrected, strict=True):
        cells = [technique.name, _keys_of(technique), technique.source, *_measured(found, p)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _keys_of(technique: Technique) -> str:
    context = f" with `{keys(technique.both)}`" if technique.both else ""
    return f"`{keys(technique.on)}`{context}"


def keys(changes: Mapping[str, Any]) -> str:
    """Writes changes as they stand in a recipe: `train.sam: {rho: 0.05}`."""
    return ", ".join(f"{key}: {_yaml(value)}" for key, value in changes.items())


def _yaml(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {_yaml(inner)}' for key, inner in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_yaml, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _measured(found: Effect, p: float) -> list[str]:
    if found.num_diverged:
        return ["", "", "", "", f"diverged in {found.num_diverged} of {len(found.on)}", "", ""]
    off, on = (100 * fmean(training.scores[found.score] for training in side) for side in (found.off, found.on))
    differences, losses = 100 * found.differences(found.score), found.differences("log_loss")
    low, high = interval(differences)
    cost = median(on.secs / off.secs for on, off in zip(found.on, found.off, strict=True))
    return [
        f"{off:.1f}",
        f"{on:.1f}",
        f"{differences.mean():+.1f} [{low:+.1f}, {high:+.1f}]",
        f"{p:.3f}" if p >= 0.001 else "< 0.001",
        _verdict(found, p),
        f"{losses.mean():+.3f}",
        f"{cost:.1f}×",
    ]


def _verdict(found: Effect, p: float) -> str:
    if found.identical:
        return "identical"
    if p >= LEVEL:
        return "not distinguishable"
    return "**helps**" if found.differences(found.score).mean() > 0 else "**hurts**"


def _conditions(effects: Sequence[Effect]) -> str:
    """Under what a table was measured."""
    trainings = [training for found in effects for training in (*found.off, *found.on)]
    days = sorted({training.day for training in trainings})
    seeds = sorted({len(found.on) for found in effects})
    machines = sorted({training.machine for training in trainings})
    score = effects[0].score.replace("_", " ")
    return f"Score: {score}. Seeds: {_range(seeds)}. Day: {_range(days)}. Machine: {'; '.join(machines)}.\n"


def _range(values: Sequence[Any]) -> str:
    return f"{values[0]}" if values[0] == values[-1] else f"{values[0]} to {values[-1]}"
