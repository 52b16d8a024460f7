"""What a tracked, checkpointed training costs over Keras's bare `fit`: `python -m benchmarks.overhead [--quick]`.

The same network is trained on the same batches three ways, in turns: by `fit` without any callback; by the stage
`train` (step loop, callbacks, journal, checkpoints, hash trail) at default settings; and by the same stage in a tracked
run, with system metrics and the process that sends to MLflow. Timed is from the end of the second epoch to the end of
the last, validation included, so that building and tracing count for nobody. Printed are medians over rounds and, in
brackets, the lowest and highest; a ratio compares two turns of one round. Beside the time that passed stands that of
the processor, all threads of the training process together: on a machine that does other things too, it says more.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import keras

from pipeline.cache import Ingredients
from pipeline.execution import run as run_pipeline
from pipeline.journal import Journal, Listener, Record
from pipeline.recipe.load import load_recipe
from pipeline.recipe.tree import Recipe
from pipeline.stages import training_setup
from pipeline.tracking import Run, Tracking
from pipeline.training.assemble import assemble
from pipeline.training.train import train

MODELS = {"digits CNN": ("model.units=128", 60), "100 times as large": ("model.units=20000", 24)}
"""An override of the recipe `digits`, and how many epochs a turn has."""

BARE, STAGE, TRACKED = "bare fit", "stage train", "in a tracked run"
WARM_UP = 2
"""Epochs of a turn that are not timed."""

Times = tuple[float, float]
"""Seconds that passed, and of the processor."""

Clock = list[Times]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="turns of each (default: 7)")
    parser.add_argument("--quick", action="store_true", help="2 rounds of 5 epochs: does it run?")
    args = parser.parse_args()
    rounds = 2 if args.quick else args.rounds
    print(f"{rounds} rounds, {os.cpu_count()} cores")
    for title, (override, epochs) in MODELS.items():
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            report(title, measure(override, 5 if args.quick else epochs, rounds))
            os.chdir("/")


def now() -> Times:
    return time.perf_counter(), time.process_time()


def measure(override: str, epochs: int, rounds: int) -> dict[str, list[Times]]:
    """Seconds a step of each way in each round."""
    recipe = load_recipe("digits", [override, f"train.epochs={epochs}", "train.early_stopping=null"])
    prepared = run_pipeline(recipe, until="preprocess").folder("preprocess")
    tracking = Tracking.open(recipe.tracking, experiment="overhead", base=Path.cwd())
    with tracking.run("overhead", params=recipe.flat(), environment={}, artifacts={}) as run:
        ways: dict[str, Callable[[int], Clock]] = {
            BARE: lambda _: bare_fit(recipe, prepared),
            STAGE: lambda i: stage_train(recipe, prepared, Path(f"untracked {i}"), ()),
            TRACKED: lambda i: tracked_train(recipe, prepared, run, f"train {i}"),
        }
        secs: dict[str, list[Times]] = {name: [] for name in ways}
        steps = (epochs - WARM_UP) * assemble(training_setup(recipe, prepared)).training.steps_per_epoch
        for i in range(rounds):
            for name in [*ways][i % 3 :] + [*ways][: i % 3]:
                ends = ways[name](i)
                passed, used = (last - first for last, first in zip(ends[-1], ends[WARM_UP - 1], strict=True))
                secs[name].append((passed / steps, used / steps))
                keras.backend.clear_session()
    return secs


def bare_fit(recipe: Recipe, prepared: Path) -> Clock:
    """Trains by `fit` alone; returns when each epoch ended."""
    assembled, ends = assemble(training_setup(recipe, prepared)), Clock()
    training, validation = assembled.training, assembled.validation
    assembled.learner.fit(
        training.dataset(0, recipe.train.epochs * training.steps_per_epoch),
        epochs=recipe.train.epochs,
        steps_per_epoch=training.steps_per_epoch,
        validation_data=validation.dataset(num_steps=validation.steps_per_epoch),
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: ends.append(now()))],
        shuffle=False,
        verbose=0,
    )
    return ends


def stage_train(recipe: Recipe, prepared: Path, out: Path, listeners: tuple[Listener, ...]) -> Clock:
    """Trains as the stage does; returns when each epoch was recorded."""
    ends = Clock()

    def listen(record: Record) -> None:
        if record["kind"] == "metrics" and record["step"] is not None:
            ends.append(now())

    out.mkdir()
    train(training_setup(recipe, prepared), out=out, journal=Journal(out / "journal.jsonl", (*listeners, listen)))
    return ends


def tracked_train(recipe: Recipe, prepared: Path, run: Run, name: str) -> Clock:
    """Trains as a stage of a run; returns when each epoch was recorded."""
    out = Path(name)
    with run.stage(name, folder=out, reason="measured", ingredients=Ingredients({}, {}, {}, {})) as stage:
        return stage_train(recipe, prepared, out, (stage.listener,))


def report(title: str, secs: dict[str, list[Times]]) -> None:
    """Prints the time of a step each way, and how much more it is than the bare one."""
    columns = "".join(f"{name:>14}{'over bare fit':>27}" for name in ("ms a step", "CPU ms a step"))
    print(f"\n{title}\n{'':18}{columns}")
    for name, each in secs.items():
        print(f"{name:18}" + "".join(_column(each, secs[BARE], i) for i in range(2)), flush=True)


def _column(ours: list[Times], bare: list[Times], i: int) -> str:
    times, ratios = [each[i] for each in ours], [one[i] / other[i] - 1 for one, other in zip(ours, bare, strict=True)]
    more = f"{statistics.median(ratios):+.1%}  [{min(ratios):+.1%}, {max(ratios):+.1%}]"
    return f"{1e3 * statistics.median(times):14.2f}{'' if ours is bare else more:>27}"


if __name__ == "__main__":
    main()
