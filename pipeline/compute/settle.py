"""Settles what a recipe leaves to measurement, before training: size of parts, how steps are run, number of epochs.

The choices are written beside the stage's output (`compute.json`), so that a training that is continued keeps them.
"""

import json
import math
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.batches import Batches, read_prepared
from pipeline.compute.budget import Forecast, fit_epochs, measure_pace
from pipeline.compute.fitting import in_parts, largest_part
from pipeline.compute.quantities import duration, size
from pipeline.compute.steps import (
    Choice,
    choose_jit_compile,
    choose_steps_per_execution,
    choose_threads,
    require_whole_executions,
)
from pipeline.compute.threads import set_threads
from pipeline.errors import UserError
from pipeline.journal import Journal
from pipeline.recipe.duration import duration_secs
from pipeline.recipe.train import TrainConfig, given_threads
from pipeline.recipe.training_checks import check_training
from pipeline.serving.signature import Signature
from pipeline.training.setup import TrainingSetup

FILE = "compute.json"
KEYS = ("batch_size", "threads", "jit_compile", "steps_per_execution", "budget")
"""Keys of `train` that are settled here, in this order: each is measured with what was chosen before it."""


@dataclass(frozen=True)
class Settled:
    """A training with nothing left to measurement."""

    setup: TrainingSetup
    forecast: Forecast | None
    """Of a training with a budget, measured now; how long one took that goes on from another says nothing of it."""


def settle(setup: TrainingSetup, *, out: Path, journal: Journal) -> Settled:
    """Measures what the recipe leaves open, or reads what was chosen when this training began; says and records it.

    Args:
        setup: As the recipe says.
        out: The stage's folder; `compute.json` there holds choices and measurements.
        journal: Is told of each choice, in words and as tags `compute.*`.

    Raises:
        UserError: If nothing fits into memory or time, or a key does not fit the number of steps.
    """
    section = setup.section
    asked = {key: getattr(section, key) for key in KEYS if _is_open(key, section)}
    set_threads(given_threads(section))
    if isinstance(section.batch_size, int):
        setup = in_parts(setup, section.batch_size)
    if not asked:
        _require_whole_executions(setup)
        return Settled(setup, None)
    chosen, forecast = _read(out / FILE, asked), None
    if chosen is None:
        measuring = _Measuring(setup)
        measuring.settle(asked)
        chosen, forecast = measuring.chosen, measuring.forecast
        _record(measuring, asked, out / FILE, journal)
    if "batch_size" in chosen:
        setup = in_parts(setup, chosen["batch_size"])
    return Settled(_with(setup, chosen), forecast)


def steps_per_epoch(setup: TrainingSetup) -> int:
    """Batches in an epoch of the training split."""
    arrays, label = read_prepared(setup.prepared / "train", "disk")
    batches = Batches(arrays, label, batch_size=setup.batch_size, seed=setup.seed, sampling=setup.sampling)
    return batches.steps_per_epoch


class _Measuring:
    """One measurement after another, each on the training as it is settled so far.

    Attributes:
        chosen: Key to value.
        said: What was chosen and why, in lines.
        forecast: Of a training with a budget.
    """

    def __init__(self, setup: TrainingSetup):
        self._started, self._asked = time.perf_counter(), setup
        # The rate does not change how long a step takes, and a schedule may not fit `epochs`, which a budget replaces.
        tree = setup.section.model_dump() | {"schedule": {"type": "constant"}, "reduce_on_plateau": None}
        self._setup = replace(setup, section=TrainConfig.model_validate(tree))
        self.said: list[str] = []
        self.chosen: dict[str, Any] = {}
        self.forecast: Forecast | None = None

    def settle(self, asked: dict[str, Any]) -> None:
        """Chooses a value for each key asked for."""
        if "batch_size" in asked:
            self._fit_part()
        if "threads" in asked:
            self._take("threads", choose_threads(self._setup))
            set_threads(self.chosen["threads"])
        if "jit_compile" in asked:
            self._take("jit_compile", choose_jit_compile(self._setup))
        if "steps_per_execution" in asked:
            choice = choose_steps_per_execution(self._setup, steps_per_epoch(self._setup))
            self._take("steps_per_execution", choice)
        _require_whole_executions(self._setup)
        if "budget" in asked:
            self._fit_budget(asked["budget"])

    def _take(self, key: str, choice: Choice) -> None:
        self.chosen[key] = choice.value
        self.said.append(
            f"{key}: {'unchanged' if choice.value is None else str(choice.value).lower()} ({choice.reason})"
        )
        self._setup = _with(self._setup, self.chosen)

    def _fit_part(self) -> None:
        whole = self._setup.batch_size
        part, probed = largest_part(self._setup)
        self.chosen["batch_size"] = part
        peak = f"its steps take up to {size(probed.peak_bytes)} of memory"
        self.said.append(
            f"batch_size: {part}, the whole batch, fits ({peak})"
            if part == whole
            else f"batch_size: {part} of {whole} fit ({peak}); {whole // part} parts are accumulated to one update"
        )
        self._setup = in_parts(self._setup, part)

    def _fit_budget(self, budget: str) -> None:
        pace = measure_pace(self._setup)
        spent = time.perf_counter() - self._started
        forecast = fit_epochs(pace, (duration_secs(budget) or math.inf) - spent)
        self.chosen["epochs"] = forecast.epochs
        self.said.append(
            f"budget: {forecast.text}, in place of {self._asked.section.epochs}; {duration(spent)} went into measuring"
        )
        repeated = " ".join(f"train.{key}={'null' if v is None else str(v).lower()}" for key, v in self.chosen.items())
        self.said.append(f"budget: to repeat this run to the bit: train.budget=null {repeated}")
        self.forecast = forecast
        self._require_a_fitting_recipe(forecast.epochs)

    def _require_a_fitting_recipe(self, epochs: int) -> None:
        section = _with(self._asked, {"epochs": epochs}).section
        task = Signature.load(self._asked.prepared / "signature.json").task
        problems = list(check_training(section, task))
        if problems:
            raise UserError(f"train.budget: {epochs} epochs fit. {problems[0].key}: {problems[0].message}")


def _require_whole_executions(setup: TrainingSetup) -> None:
    """Counts the steps of an epoch only where it matters."""
    if setup.section.steps_per_execution != 1:
        require_whole_executions(setup.section, steps_per_epoch(setup))


def _is_open(key: str, section: TrainConfig) -> bool:
    value = getattr(section, key)
    return value is not None if key == "budget" else value == "auto"


def _with(setup: TrainingSetup, chosen: dict[str, Any]) -> TrainingSetup:
    """The training with choices in place of what was open; parts of batches are left to `in_parts`."""
    settled = {key: value for key, value in chosen.items() if key != "batch_size"}
    if "epochs" in settled:
        settled["budget"] = None
    return replace(setup, section=TrainConfig.model_validate(setup.section.model_dump() | settled))


def _record(found: _Measuring, asked: dict[str, Any], file: Path, journal: Journal) -> None:
    forecast = {"forecast": asdict(found.forecast)} if found.forecast else {}
    tree = {"asked": asked, "chosen": found.chosen, "said": found.said, **forecast}
    file.write_text(json.dumps(tree, indent=2) + "\n", encoding="utf-8")
    for line in found.said:
        journal.say(line)
    journal.set_tags({f"compute.{key}": str(value) for key, value in found.chosen.items()})
    journal.log_artifact(file)


def _read(file: Path, asked: dict[str, Any]) -> dict[str, Any] | None:
    """What was chosen before, if the same was asked for."""
    if not file.exists():
        return None
    written = json.loads(file.read_text(encoding="utf-8"))
    chosen: dict[str, Any] = written["chosen"]
    return chosen if written["asked"] == asked else None
