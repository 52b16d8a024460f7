"""Trainings that are killed: real processes, forked from one that has imported everything but not started TensorFlow.

A process holds the folder as a run does: the lock of the entry, the stage's folder in the cache, its journal.
"""

import json
import os
import random
import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import tensorflow as tf

from pipeline.cache import Cache, Ingredients
from pipeline.journal import Journal, read_journal
from pipeline.recipe.phases import phase_sections
from pipeline.training.checkpoint import SUFFIX, Place, read_checkpoint
from pipeline.training.setup import TrainingSetup
from pipeline.training.train import train
from tests.chaos.instants import OUTSIDE, Instant, Left, draw

INGREDIENTS = Ingredients({}, {}, {}, {})
KEEPS = "checkpoints"


CLOCKED = ("secs", "step_secs", "wait_share", "memory_share")
"""Fields of an epoch, as the diagnosis sees it, that are measured on a clock, or of the machine."""


def in_process(work: Callable[[], None], output: Path) -> None:
    """Does something in a process of its own, so that this one does not start TensorFlow."""
    status = os.waitpid(fork(work, output), 0)[1]
    assert status == 0, output.read_text()


def is_killed(work: Callable[[], None], output: Path, *, after_secs: float | None) -> bool:
    """Does something in a process that SIGKILL ends: after a time, or at an instant of its own (None).

    Returns:
        Whether it was killed before it had ended.
    """
    child = fork(work, output)
    if after_secs is not None:
        time.sleep(after_secs)
        os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    assert status == 0 or os.WIFSIGNALED(status), output.read_text()
    return status != 0


def run_to_end(setup: TrainingSetup, folder: Path) -> None:
    """Trains, or goes on, without a disturbance."""
    folder.mkdir(parents=True, exist_ok=True)
    in_process(lambda: _run(setup, folder), folder / "output.txt")


def run_with_kills(
    setup: TrainingSetup, folder: Path, chance: random.Random, num_kills: int, secs: float
) -> dict[str, Any]:
    """Trains, is killed and goes on, until the training has ended.

    Args:
        setup: What to train.
        folder: Of the cache.
        chance: Draws the instants.
        num_kills: How many processes are killed, unless the training ends before.
        secs: What the training takes where nothing kills it.

    Returns:
        `kills`: kind of instant to number; `saved`: kills that left a checkpoint; `continued`: processes that went on
        from one; `half_written`: kills that left one under its temporary name; `cut`: journals whose torn end was cut
        off.
    """
    folder.mkdir(parents=True)
    kills, saved, half_written = Counter[str](), 0, 0
    for more in range(num_kills, 0, -1):
        instant = draw(chance, _left(setup, folder), more)
        work = partial(_run_armed, instant, setup, folder)
        if not is_killed(work, folder / "output.txt", after_secs=None if instant else chance.random() * secs):
            break
        kills[instant.kind if instant else OUTSIDE] += 1
        saved += bool(list(folder.rglob(f"*{SUFFIX}")))
        half_written += bool(list(folder.rglob("*.tmp")))
    run_to_end(setup, folder)
    said = [record.get("text", "") for record in read_journal(written(folder) / "journal.jsonl")]
    continued, cut = (sum(text.startswith(begin) for text in said) for begin in ("goes on from", "journal: its last"))
    return {"kills": dict(kills), "saved": saved, "continued": continued, "half_written": half_written, "cut": cut}


def outcome(folder: Path) -> dict[str, Any]:
    """All that must be the same to the bit: weights, history, the whole state at the end, curves."""
    final = written(folder)
    (checkpoint,) = (final / KEEPS).glob(f"*{SUFFIX}")
    state = read_checkpoint(checkpoint)
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
        "facts": {**state.facts, "state": without_clock(state.facts["state"])},
        "curves": curves,
    }


def without_clock(state: dict[str, Any]) -> dict[str, Any]:
    """The facts of a state but for what is measured on a clock, or of the machine."""
    callbacks = {name: dict(fields) for name, fields in state["callbacks"].items()}
    for fields in callbacks.values():
        fields.pop("_secs", None)
        if "seen" in fields:
            seen = json.loads(fields["seen"])
            seen["epochs"] = [{**each, **dict.fromkeys(CLOCKED, 0)} for each in seen["epochs"]]
            fields["seen"] = json.dumps(seen)
    return {**state, "callbacks": callbacks}


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


def _run_armed(instant: Instant | None, setup: TrainingSetup, folder: Path) -> None:
    if instant:
        instant.arm()
    _run(setup, folder)


def fork(work: Callable[[], None], output: Path) -> int:
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


def _left(setup: TrainingSetup, folder: Path) -> Left:
    """What the newest checkpoint leaves to train."""
    planned = phase_sections(setup.section)
    places = [Place(*map(int, path.stem.split("-"))) for path in folder.rglob(f"*{SUFFIX}")]
    newest = max(places, default=Place(0, 0, 0))
    epochs = sum(section.epochs for section in planned) - newest.epoch
    return Left(epochs, len(planned) - newest.phase if len(planned) > 1 else 0, bool(places))
