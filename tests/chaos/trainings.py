"""Trainings that are killed: real processes, forked from one that has imported everything but not started TensorFlow.

A process holds the folder as a run does: the lock of the entry, the stage's folder in the cache, its journal. SIGKILL
comes from outside, at a random instant.
"""

import json
import os
import random
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.cache import Cache, Ingredients
from pipeline.journal import Journal, read_journal
from pipeline.training.checkpoint import SUFFIX, read_checkpoint
from pipeline.training.setup import TrainingSetup
from pipeline.training.train import train

INGREDIENTS = Ingredients({}, {}, {}, {})
KEEPS = "checkpoints"
CLOCKED = ("_secs",)
"""Fields of the state that are measured on a clock."""


@dataclass
class Killing:
    """What happened on the way to the end of one training."""

    kills: int = 0
    resumed: int = 0
    """Processes that went on from a checkpoint."""
    torn: int = 0
    """Kills that left a half-written checkpoint under its temporary name."""


def run_to_end(setup: TrainingSetup, folder: Path) -> None:
    """Trains without a disturbance."""
    status = os.waitpid(_fork(setup, folder), 0)[1]
    assert status == 0, (folder / "output.txt").read_text()


def run_with_kills(setup: TrainingSetup, folder: Path, chance: random.Random, num_kills: int, secs: float) -> Killing:
    """Trains, kills and goes on until the training has ended.

    Args:
        setup: What to train.
        folder: Of the cache.
        chance: Draws the instants.
        num_kills: How many processes are killed, unless the training ends before.
        secs: How long a process lives at most before it is killed, from its first checkpoint on or, for the first
            fifth of the kills, from its start on.
    """
    told = Killing()
    while told.kills < num_kills:
        is_early = chance.random() < 0.2
        child = _fork(setup, folder)
        if not is_early:
            _wait(child, lambda: _newest(folder))
        time.sleep(chance.random() * secs)
        if os.waitpid(child, os.WNOHANG)[0]:
            break
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        told.kills += 1
        told.torn += bool(list(folder.rglob("*.tmp")))
    run_to_end(setup, folder)
    said = [record.get("text", "") for record in read_journal(_final(folder) / "journal.jsonl")]
    told.resumed = sum(text.startswith("goes on from") for text in said)
    return told


def outcome(folder: Path) -> dict[str, Any]:
    """All that must be the same to the bit: weights, history, the whole state at the end, curves."""
    final = _final(folder)
    (checkpoint,) = (final / KEEPS).glob(f"*{SUFFIX}")
    state = read_checkpoint(checkpoint)
    for fields in state.facts["state"]["callbacks"].values():
        for name in CLOCKED:
            fields.pop(name, None)
    for phase in state.facts.get("phases", []):
        del phase["examples_per_sec"]
    curves = [
        [record["step"], record["values"]]
        for record in read_journal(final / "journal.jsonl")
        if record["kind"] == "metrics" and "examples_per_sec" not in record["values"]
    ]
    return {
        "fingerprint": json.loads((final / "entry.json").read_text())["result"]["fingerprint"],
        "history": json.loads((final / "history.json").read_text()),
        "place": state.place,
        "arrays": {name: (array.shape, array.tobytes()) for name, array in state.arrays.items()},
        "facts": state.facts,
        "curves": curves,
    }


def _fork(setup: TrainingSetup, folder: Path) -> int:
    """Starts a process that trains, or goes on; returns its id."""
    folder.mkdir(parents=True, exist_ok=True)
    child = os.fork()
    if child:
        return child
    try:
        output = os.open(folder / "output.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(output, 1)
        os.dup2(output, 2)
        cache = Cache(folder)
        with cache.lock("train", INGREDIENTS.key):
            if cache.find("train", INGREDIENTS.key) is None:
                with cache.write("train", INGREDIENTS, "run", keeps=KEEPS) as writing:
                    journal = Journal(writing.folder / "journal.jsonl")
                    writing.result = train(setup, out=writing.folder, journal=journal)
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def _wait(child: int, condition: Callable[[], Any]) -> None:
    """Until something holds, or the process has ended."""
    before = condition()
    while condition() == before and Path(f"/proc/{child}/stat").read_text().split()[2] != "Z":
        time.sleep(0.01)


def _newest(folder: Path) -> str:
    return max((path.name for path in folder.rglob(f"*{SUFFIX}")), default="")


def _final(folder: Path) -> Path:
    return folder / "stages" / "train" / INGREDIENTS.key
