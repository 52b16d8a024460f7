"""The state of a training is whole: what is left of it from any position on ends as it did, to the bit.

All in one process, on a network and an optimiser that a whole training has left its marks on: what a checkpoint lacks
is wrong then. Real kills, and objects that are fresh, are in `tests/chaos`.
"""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline.journal import Journal
from pipeline.recipe.checkpoint import CheckpointConfig
from pipeline.training.assemble import Assembled, assemble
from pipeline.training.checkpoint import Checkpoint, Checkpoints, Place, read_checkpoint
from pipeline.training.fit import fit
from pipeline.training.history import History
from pipeline.training.interruption import Interruption
from pipeline.training.saving import FOLDER, Saver
from pipeline.training.state import TrainingState
from pipeline.training.trail import Trail
from tests.chaos.recipes import TRAININGS, setup_of
from tests.chaos.trainings import without_clock
from tests.small_runs import Stages

NAMES = [name for name in TRAININGS if "transfer" not in name and "devices" not in name]
POSITIONS = ((0, 1), (1, 0), (1, 7), (2, 0), (2, 10))
"""Epoch and step: the first one, within an epoch, before validation, after it; and after that of all later epochs."""


class EveryStep(Saver):
    """Saves at each position, and keeps all."""

    def passed(self, state: TrainingState, place: Place) -> None:
        """Waits until it is written."""
        super().passed(state, place)
        self.finish()


def trained(assembled: Assembled, folder: Path, saver_class: type[Saver] = Saver) -> History:
    """Trains, or goes on, with what was assembled before; saves at the end, and where the class says so."""
    folder.mkdir(exist_ok=True)
    journal = Journal(folder / "journal.jsonl")
    section = assembled.section.checkpoint if saver_class is EveryStep else CheckpointConfig()
    saver = saver_class(section, folder, journal, Interruption(), Trail())
    history = fit(
        assembled.learner,
        assembled.section,
        assembled.training,
        assembled.validation,
        weights=assembled.class_weights,
        saver=saver,
        journal=journal,
    )
    saver.close()
    return history


def everything(checkpoint: Checkpoint) -> Mapping[str, Any]:
    arrays = {name: (array.shape, array.tobytes()) for name, array in checkpoint.arrays.items()}
    facts = {**checkpoint.facts, "state": without_clock(checkpoint.facts["state"])}
    return {"place": checkpoint.place, **arrays, "facts": facts}


def is_tried(name: str) -> bool:
    place = Place(*map(int, name.partition(".")[0].split("-")))
    return (place.epoch, place.step) in POSITIONS or (place.epoch > 2 and not place.step)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_from_any_position_the_rest_is_what_it_was(
    digits: Stages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(Checkpoints, "keep_last", lambda *_: None)
    assembled, whole = assemble(setup_of(name, digits.prepared)), tmp_path / "whole"
    history = trained(assembled, whole, EveryStep)
    network = [weight.tobytes() for weight in assembled.network.get_weights()]
    places = sorted((whole / FOLDER).iterdir())
    expected = everything(read_checkpoint(places[-1]))
    for place in filter(is_tried, [path.name for path in places]):
        folder = tmp_path / "resumed"
        (folder / FOLDER).mkdir(parents=True)
        os.link(whole / FOLDER / place, folder / FOLDER / place)
        resumed = trained(assembled, folder)
        found = everything(read_checkpoint(max((folder / FOLDER).iterdir())))
        assert [key for key in expected if found[key] != expected[key]] == [], place
        assert (resumed.epochs, resumed.best_epoch) == (history.epochs, history.best_epoch), place
        assert resumed.averaged == history.averaged, place
        assert [weight.tobytes() for weight in assembled.network.get_weights()] == network, place
        assert resumed.examples_per_sec > 0
        shutil.rmtree(folder)
