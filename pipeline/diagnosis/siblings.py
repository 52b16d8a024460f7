"""Holds trainings of one recipe with several seeds against each other: which of them is stuck in a poor optimum."""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from pipeline.diagnosis.findings import Finding
from pipeline.diagnosis.learning import Learning
from pipeline.diagnosis.record import Tree
from pipeline.diagnosis.remedies import seed_of
from pipeline.diagnosis.rules.poor_optimum import PoorOptimum
from pipeline.diagnosis.signals import Epoch, Facts, Signals


def stuck(trees: Mapping[int, Tree]) -> dict[int, Finding]:
    """Finds the seeds that ended far worse than the others.

    Args:
        trees: Seed to what its run keeps of its diagnosis, as `record.diagnosis_to_tree` wrote it; none: no seed's
            training was diagnosed.

    Returns:
        Seed to its finding, whose first remedy is the best of the seeds.
    """
    skills = {seed: math.nan if tree["skill"] is None else tree["skill"] for seed, tree in trees.items()}
    best = max(skills, key=lambda seed: np.nan_to_num(skills[seed], nan=-np.inf), default=0)
    found = {}
    for seed, tree in trees.items():
        others = tuple(skill for other, skill in skills.items() if other != seed)
        facts = Facts(planned_epochs=tree["num_epochs"])
        signals = Signals(facts, epochs=_epochs(tree), ended=True, siblings=others)
        for finding in PoorOptimum().findings(signals, Learning("too early", skill=skills[seed])):
            found[seed] = replace(finding, remedies=(seed_of(best), *finding.remedies[1:]))
    return found


def _epochs(tree: Tree) -> list[Epoch]:
    """What Keras said of each epoch of a training."""
    known = {
        name: [math.nan if value is None else value for value in values] for name, values in tree["history"].items()
    }
    first = tree["num_epochs"] - max(map(len, known.values()), default=0) + 1
    rows = zip(*known.values(), strict=True)
    return [Epoch(epoch, dict(zip(known, row, strict=True))) for epoch, row in enumerate(rows, first)]
