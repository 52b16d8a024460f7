"""What a tracked, checkpointed training costs over Keras's bare `fit`: `python -m benchmarks.overhead [--quick]`.

The same network is trained on the same batches three ways, in turns: by `fit` without any callback; by our step loop
alone, without any callback either; and as the stage `train` of a tracked run at default settings: callbacks, journal,
checkpoints every 30 seconds, hash trail, system metrics, and the process that sends all that to MLflow. The diagnosis
is off: `benchmarks/diagnosis_cost.py` measures it.

Timed are the epochs after the first ones (a third, or a quarter), validation included, so that building, tracing and
the start of the process that sends count for nobody; a checkpoint comes every 30 seconds. Printed are medians over
rounds and, in brackets, the lowest and highest; a ratio compares two turns of one round. Beside the time that passed
stands that of the processor, all threads of the training process together: on a machine that does other things too, it
says more. The processor time of the process that sends stands apart, each step and with its start.
"""

import argparse
import contextlib
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import keras
import psutil

from pipeline.cache import Ingredients
from pipeline.execution import run as run_pipeline
from pipeline.journal import Journal, Record
from pipeline.recipe.load import load_recipe
from pipeline.recipe.tree import Recipe
from pipeline.stages import training_setup
from pipeline.tracking import Run, Tracking
from pipeline.training.assemble import assemble
from pipeline.training.loop import Loop
from pipeline.training.train import train


class Case(NamedTuple):
    """A network, and how long it is measured."""

    title: str
    override: str
    """Of the recipe `digits`."""
    warm_up: int
    """Epochs of a turn that are not timed: until all that a run starts has started."""
    epochs: int
    """Of a turn, in all."""
    rounds: int


CASES = (Case("digits", "model.units=128", 60, 160, 5), Case("large", "model.units=20000", 8, 32, 3))
"""The recipe's network, and one with 100 times as many parameters."""

BARE, LOOP, TRACKED = "bare fit", "step loop alone", "tracked run"


class Times(NamedTuple):
    """Seconds."""

    passed: float
    used: float
    """Of the processor, by this process."""
    sending: float
    """Of the processor, by the process that sends."""

    @classmethod
    def now(cls) -> "Times":
        """Reads the clocks."""
        passed, used, sending = time.perf_counter(), time.process_time(), 0.0
        for process in psutil.Process().children():
            with contextlib.suppress(psutil.Error):
                if "pipeline.tracking.shipper" in process.cmdline():
                    sending += sum(process.cpu_times()[:2])
        return cls(passed, used, sending)


@dataclass
class Window:
    """Reads the clocks at the ends of the timed part of a training."""

    warm_up: int
    epochs: int
    _ended: int = 0
    _read: list[Times] = field(default_factory=list)

    def epoch_ended(self, *_: object) -> None:
        """Counts an epoch."""
        self._ended += 1
        if self._ended in (self.warm_up, self.epochs):
            self._read.append(Times.now())

    def per_step(self, steps_per_epoch: int) -> Times:
        """What a step took."""
        first, last = self._read
        steps = (self.epochs - self.warm_up) * steps_per_epoch
        return Times(*((end - start) / steps for start, end in zip(first, last, strict=True)))

    @property
    def sent_secs(self) -> float:
        """Processor time of the process that sends, from its start to the end of the last epoch."""
        return self._read[-1].sending


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, help="turns of each way (default: 5, of the large network 3)")
    parser.add_argument("--only", choices=[case.title for case in CASES], help="one of the networks")
    parser.add_argument("--quick", action="store_true", help="2 rounds of 4 epochs: does it run?")
    args = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start")
    for case in [case for case in CASES if args.only in (None, case.title)]:
        chosen = case._replace(rounds=args.rounds or case.rounds)
        if args.quick:
            chosen = case._replace(warm_up=2, epochs=4, rounds=2)
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            measure(chosen)


def measure(case: Case) -> None:
    """Trains in turns; prints what a step took each way."""
    overrides = [case.override, f"train.epochs={case.epochs}", "train.early_stopping=null", "train.on_sick=ignore"]
    recipe = load_recipe("digits", overrides)
    prepared = run_pipeline(recipe, until="preprocess").folder("preprocess")
    assembled = assemble(training_setup(recipe, prepared))
    steps_per_epoch = assembled.training.steps_per_epoch
    size = f"{assembled.network.count_params():,} parameters"
    print(f"\n{case.title}: {size}, {case.rounds} rounds of {case.epochs} epochs, timed after {case.warm_up}")
    ways: dict[str, Callable[[Recipe, Path, Window], None]] = {BARE: bare, LOOP: loop_alone, TRACKED: tracked}
    secs: dict[str, list[Times]] = {name: [] for name in ways}
    sent: list[float] = []
    for i in range(case.rounds):
        for name in [*ways][i % 3 :] + [*ways][: i % 3]:
            keras.backend.clear_session()
            window = Window(case.warm_up, case.epochs)
            ways[name](recipe, prepared, window)
            secs[name].append(window.per_step(steps_per_epoch))
            if name == TRACKED:
                sent.append(window.sent_secs)
    report(secs, sent)


def bare(recipe: Recipe, prepared: Path, window: Window) -> None:
    """Trains by `fit`."""
    assembled = assemble(training_setup(recipe, prepared))
    training, validation = assembled.training, assembled.validation
    assembled.learner.fit(
        training.dataset(0, recipe.train.epochs * training.steps_per_epoch),
        epochs=recipe.train.epochs,
        steps_per_epoch=training.steps_per_epoch,
        validation_data=validation.dataset(num_steps=validation.steps_per_epoch),
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=window.epoch_ended)],
        shuffle=False,
        verbose=0,
    )


def loop_alone(recipe: Recipe, prepared: Path, window: Window) -> None:
    """Trains by the loop that a stage uses; nothing is watched, recorded or saved."""
    assembled = assemble(training_setup(recipe, prepared))
    loop = Loop(assembled.learner, assembled.training, assembled.validation, epochs=range(recipe.train.epochs))
    loop.run([keras.callbacks.LambdaCallback(on_epoch_end=window.epoch_ended)])


def tracked(recipe: Recipe, prepared: Path, window: Window) -> None:
    """Trains as a stage of a run of its own."""
    tracking = Tracking.open(recipe.tracking, experiment="overhead", base=Path.cwd())
    with tracking.run("overhead", params=recipe.flat(), environment={}, artifacts={}) as run:
        staged(recipe, prepared, run, window.epoch_ended)


def staged(recipe: Recipe, prepared: Path, run: Run, ended: Callable[[], None]) -> None:
    """Trains as a stage of a run; says when each epoch was recorded."""
    out = Path(tempfile.mkdtemp(dir=Path.cwd()))

    def listen(record: Record) -> None:
        if record["kind"] == "metrics" and record["step"] is not None:
            ended()

    with run.stage("train", folder=out, reason="measured", ingredients=Ingredients({}, {}, {}, {})) as stage:
        journal = Journal(out / "journal.jsonl", (stage.listener, listen))
        train(training_setup(recipe, prepared), out=out, journal=journal)


def report(secs: dict[str, list[Times]], sent: list[float]) -> None:
    """Prints the time of a step each way, how much more it is than the bare one, and the seconds that sending took."""
    columns = "".join(f"{name:>14}{'over bare fit':>27}" for name in ("ms a step", "CPU ms a step"))
    print(f"{'':18}{columns}")
    for name, each in secs.items():
        cells = (
            f"{1e3 * _median(each, i):14.2f}{_more(each, secs[BARE], i) if name != BARE else '':>27}" for i in (0, 1)
        )
        print(f"{name:18}" + "".join(cells))
    over_loop = [_more(secs[TRACKED], secs[LOOP], i) for i in (0, 1)]
    print(f"a tracked run over the step loop alone: {over_loop[0]}; of CPU time {over_loop[1]}")
    print(
        f"beside it, the process that sends: {1e3 * _median(secs[TRACKED], 2):.2f} ms of CPU time a step, at low "
        f"priority; {statistics.median(sent):.1f} s a run with its start",
        flush=True,
    )


def _median(times: list[Times], i: int) -> float:
    return statistics.median(each[i] for each in times)


def _more(ours: list[Times], others: list[Times], i: int) -> str:
    ratios = [one[i] / other[i] - 1 for one, other in zip(ours, others, strict=True)]
    return f"{statistics.median(ratios):+.1%} [{min(ratios):+.1%}, {max(ratios):+.1%}]"


if __name__ == "__main__":
    main()
