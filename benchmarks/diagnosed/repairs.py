"""Repairs of sick trainings in `benchmarks/diagnosis.py`: ours, a blind portfolio, and random search; kept in a folder.

Each tries changes of the training until one works. Ours is told by its own diagnosis whether one does. The other two
are told by the truth, which nobody has, so that their figures are bounds from above.
"""

import functools
import hashlib
import json
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras

from benchmarks.diagnosed.cases import RECENT, Case
from benchmarks.diagnosed.trainings import Training, fit, replay
from models.seeds import seed_for
from pipeline.cache import code_hashes
from pipeline.diagnosis.change import changed
from pipeline.diagnosis.learning import FirstQuestion
from pipeline.diagnosis.remedies import (
    BATCH_NORM,
    DEFAULT_ADAM,
    LEAKY_RELU,
    REINITIALIZE,
    RELU,
    RIGHT_OUTPUT,
    SELU,
    STANDARDIZE,
    TANH,
)
from pipeline.diagnosis.repair import MAX_TRIALS, Trial, repair
from pipeline.diagnosis.rollback import healthy_epochs
from pipeline.repair.record import PROMOTED

Overrides = Mapping[str, Any]

PORTFOLIO = (TANH, DEFAULT_ADAM, RELU)
"""Tried whatever is wrong."""

NETWORKS = (TANH, RELU, SELU, LEAKY_RELU, REINITIALIZE)
OPTIMIZERS = ("sgd", "adam", "rmsprop")
RATES = (1e-4, 1e-1)
"""Range of learning rates, drawn evenly by their logarithm (Bergstra and Bengio 2012)."""
SOME = (BATCH_NORM, RIGHT_OUTPUT, STANDARDIZE)
"""Further changes that random search makes or leaves."""
CHANCE = 1 / 3
"""Of each part to be changed: two of the six on average, since most changes of a sound part do harm."""


@dataclass(frozen=True)
class Try:
    """One training of a repair."""

    overrides: Overrides
    score: float
    """Mean of the last scores."""
    good: bool
    """Whether it went well, in truth."""
    epochs: int
    """How many it took."""


@dataclass(frozen=True)
class Mended:
    """What a repair came to."""

    tries: Sequence[Try]
    """In their order, without the control."""
    scores: Sequence[float] = ()
    """Scores by epoch of what was chosen; none: nothing was."""
    good: bool = False
    """Whether what was chosen, or else the sick one, went well in truth."""
    verdict: str = ""
    """What ours says of it."""
    healed_at: int = 0
    """Number of the first try that worked; 0: none. Ours then tries whether less would do."""
    control_good: bool | None = None
    """Whether the untouched control went well, in truth."""
    epochs: int = 0
    """Epochs spent in all, the control's among them."""


def mend(folder: Path, case: Case, seed: int, sick: Training, method: str) -> Mended:
    """Repairs a training and keeps what came of it, unless that is kept already.

    Args:
        folder: Of what is kept.
        case: What was trained.
        seed: Of the sick training.
        sick: The sick training.
        method: One of `METHODS`.
    """
    done = kept_repair(folder, case, seed, method)
    if done is None:
        done = METHODS[method](case, seed, sick)
        _file(folder, case, seed, method).write_text(json.dumps(asdict(done)), encoding="utf-8")
        print(case.id, seed, method, done.verdict, "good" if done.good else "bad", len(done.tries), flush=True)
    return done


def kept_repair(folder: Path, case: Case, seed: int, method: str) -> Mended | None:
    """The repair that is kept, if there is one."""
    file = _file(folder, case, seed, method)
    if not file.exists():
        return None
    tree = json.loads(file.read_text(encoding="utf-8"))
    return Mended(**{**tree, "tries": [Try(**each) for each in tree["tries"]]})


def _ours(case: Case, seed: int, sick: Training) -> Mended:
    def once(overrides: Overrides, number: int) -> Trial:
        drawn = seed_for(seed, "control") if number == 0 else seed
        return _trial(_changed(case, drawn, overrides, "stop" if number else "warn"))

    outcome = repair(_trial(sick), once)
    best: Training = outcome.best.result if outcome.verdict in PROMOTED else sick
    return Mended(
        tries=[_try(case, trial.result) for trial in outcome.trials],
        scores=list(best.scores),
        good=_good(case, best),
        verdict=outcome.verdict,
        healed_at=outcome.healed_at,
        control_good=_good(case, outcome.control.result) if outcome.control else None,
        epochs=outcome.num_epochs,
    )


def _portfolio(case: Case, seed: int, _: Training) -> Mended:
    return _until_good(case, seed, (remedy.overrides for remedy in PORTFOLIO))


def _random(case: Case, seed: int, _: Training) -> Mended:
    return _until_good(case, seed, (draw(seed_for(seed, case.id, number)) for number in range(MAX_TRIALS + 1)))


METHODS = {"ours": _ours, "portfolio": _portfolio, "random": _random}


def draw(seed: int) -> dict[str, Any]:
    """Draws a change of a training, at least of one part: recipe overrides of the kind that remedies are."""
    drawn = random.Random(seed)
    low, high = (math.log(rate) for rate in RATES)
    while True:
        parts = (
            drawn.choice(NETWORKS).overrides,
            {"train.optimizer.type": drawn.choice(OPTIMIZERS)},
            {"train.optimizer.learning_rate": math.exp(drawn.uniform(low, high))},
            *(remedy.overrides for remedy in SOME),
        )
        made = [part for part in parts if drawn.random() < CHANCE]
        if made:
            return {key: value for part in made for key, value in part.items()}


def _until_good(case: Case, seed: int, changes: Iterator[Overrides]) -> Mended:
    tries = []
    for overrides in changes:
        training = _changed(case, seed, overrides, None)
        tries.append(_try(case, training))
        if tries[-1].good:
            return Mended(tries, list(training.scores), good=True, healed_at=len(tries), epochs=_spent(tries))
    return Mended(tries, epochs=_spent(tries))


def _changed(case: Case, seed: int, overrides: Overrides, on_sick: Any) -> Training:
    """Trains a case with changes."""
    data = case.data()
    model = case.build(seed)
    schedule = _schedule(model, overrides)
    if any(not key.startswith("train.schedule.") for key in overrides):
        model = changed(model, overrides, seed=seed, features=data.x)
    epochs = int(overrides.get("train.epochs", case.epochs))
    return fit(model, case, data, seed, epochs=epochs, on_sick=on_sick, callbacks=schedule, overrides=overrides)


def _schedule(model: keras.Model, overrides: Overrides) -> list[keras.callbacks.Callback]:
    """The schedule of a recipe's `train.schedule` as a callback; none where the rate stays."""
    if "train.schedule.factor" not in overrides:
        return []
    first, factor = float(model.optimizer.learning_rate.numpy()), overrides["train.schedule.factor"]
    every = overrides["train.schedule.every_epochs"]
    return [keras.callbacks.LearningRateScheduler(lambda epoch, _: first * factor ** (epoch // every))]


def _trial(training: Training) -> Trial:
    """A training as a repair sees it: without the truth."""
    assert training.signals is not None
    findings = replay(training.signals)
    return Trial(
        findings=findings,
        skill=FirstQuestion().skill(training.signals),
        num_epochs=len(training.scores),
        overrides=training.overrides,
        result=training,
        healthy_epochs=healthy_epochs(training.signals, findings),
    )


def _try(case: Case, training: Training) -> Try:
    recent = training.scores[-RECENT:]
    return Try(dict(training.overrides), sum(recent) / len(recent), _good(case, training), len(training.scores))


def _good(case: Case, training: Training) -> bool:
    return case.skill(training.scores, broken=training.broken) >= 0.9


def _spent(tries: Sequence[Try]) -> int:
    return sum(each.epochs for each in tries)


def _file(folder: Path, case: Case, seed: int, method: str) -> Path:
    """Named for the code of the diagnosis: what another version repaired counts no longer."""
    return folder / f"{case.id.replace('/', '_')}.{seed}.{method}.{_version()}.json"


@functools.cache
def _version() -> str:
    return hashlib.blake2b(repr(code_hashes("pipeline.diagnosis")).encode(), digest_size=4).hexdigest()
