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
from pathlib import Path
from typing import Any

import tensorflow as tf

from pipeline.cache import Cache, Ingredients
from pipeline.journal import Journal, read_journal
from pipeline.recipe.phases import phase_sections
from pipeline.training.checkpoint import SUFFIX, Place, read_checkpoint
from pipeline.training.setup import TrainingSetup
from pipeline.training.train import train

INGREDIENTS = Ingredients({}, {}, {}, {})
KEEPS = "checkpoints"
CLOCKED = ("_secs", "seen")
"""Fields of the state that are measured on a clock, or hold such values, as those of the diagnosis."""

NUM_STEPS = 10
"""Steps of an epoch."""

EARLY = 0.15
"""Share of the kills that may come before there is anything to go on from."""

LIFE_SECS = 0.03
"""How long a process lives after it has come to the place of its kill, at most: some steps."""


def in_process(work: Callable[[], None], output: Path) -> None:
    """Does something in a process of its own, so that this one does not start TensorFlow."""
    status = os.waitpid(_fork(work, output), 0)[1]
    assert status == 0, output.read_text()


def run_to_end(setup: TrainingSetup, folder: Path) -> None:
    """Trains, or goes on, without a disturbance."""
    folder.mkdir(parents=True, exist_ok=True)
    in_process(lambda: _run(setup, folder), folder / "output.txt")


def run_with_kills(setup: TrainingSetup, folder: Path, chance: random.Random, num_kills: int) -> dict[str, int]:
    """Trains, is killed and goes on, until the training has ended.

    Args:
        setup: What to train.
        folder: Of the cache.
        chance: Draws the instants.
        num_kills: How many processes are killed, unless the training ends before.

    Returns:
        `kills`; `continued`: processes that went on from a checkpoint; `half_written`: kills that left a checkpoint
        under its temporary name.
    """
    folder.mkdir(parents=True)
    num_epochs = sum(section.epochs for section in phase_sections(setup.section))
    kills = half_written = 0
    while kills < num_kills:
        child = _fork(lambda: _run(setup, folder), folder / "output.txt")
        if chance.random() < EARLY:
            time.sleep(chance.random())
        else:
            before = _newest(folder)
            target = max(before, Place(0, chance.randrange(num_epochs), chance.randrange(NUM_STEPS)))
            while _newest(folder) <= target and not _has_ended(child):
                time.sleep(0.002)
            time.sleep(chance.random() * LIFE_SECS)
        if _has_ended(child):
            os.waitpid(child, 0)
            break
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        kills += 1
        half_written += bool(list(folder.rglob("*.tmp")))
    run_to_end(setup, folder)
    said = [record.get("text", "") for record in read_journal(written(folder) / "journal.jsonl")]
    continued = sum(text.startswith("goes on from") for text in said)
    return {"kills": kills, "continued": continued, "half_written": half_written}


def outcome(folder: Path) -> dict[str, Any]:
    """All that must be the same to the bit: weights, history, the whole state at the end, curves."""
    final = written(folder)
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


def written(folder: Path) -> Path:
    """What the training wrote, once it has ended."""
    return folder / "stages" / "train" / INGREDIENTS.key


def _run(setup: TrainingSetup, folder: Path) -> None:
    if setup.section.strategy == "mirrored":
        (processor,) = tf.config.list_physical_devices("CPU")
        tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)
    cache = Cache(folder)
    with cache.lock("train", INGREDIENTS.key):
        if cache.find("train", INGREDIENTS.key):
            return
        with cache.write("train", INGREDIENTS, "run", keeps=KEEPS) as writing:
            journal = Journal(writing.folder / "journal.jsonl")
            writing.result = train(setup, out=writing.folder, journal=journal)


def _fork(work: Callable[[], None], output: Path) -> int:
    """Starts a process that does the work; returns its id."""
    if child := os.fork():
        return child
    status = 1
    try:
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        work()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def _has_ended(child: int) -> bool:
    return Path(f"/proc/{child}/stat").read_text().rpartition(") ")[2].startswith("Z")


def _newest(folder: Path) -> Place:
    """The place of the newest checkpoint, whatever the phase."""
    places = [Place(*map(int, path.stem.split("-"))) for path in folder.rglob(f"*{SUFFIX}")]
    return max((place._replace(phase=0) for place in places), default=Place(0, 0, 0))
