"""How steps are run: several at once, compiled by XLA, on a number of threads; and how `auto` chooses."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.compute.steps import (
    GAIN,
    Choice,
    _fastest,
    choose_jit_compile,
    choose_steps_per_execution,
    choose_threads,
)
from pipeline.compute.timing import run_steps
from pipeline.errors import UserError
from pipeline.journal import read_journal
from pipeline.training.assemble import Assembled, assemble
from pipeline.training.setup import TrainingSetup
from tests.small_runs import Stages, model, train_section, train_small

MLP = model(type="mlp", units=[16], dropout=0.2)
PLAIN = model(type="mlp", units=[16])

FRESH_PROCESS = """
import sys, time
from pathlib import Path
import tensorflow as tf
from pipeline.compute.threads import can_set_threads, set_threads
from pipeline.compute.steps import choose_jit_compile, choose_threads
from pipeline.errors import UserError
from tests.compute.test_steps import TrainingSetup, MLP, PLAIN, train_section, train_small, assemble
prepared, out = map(Path, sys.argv[1:])
assert can_set_threads()
set_threads(None)
set_threads(1)
matrix = tf.random.stateless_normal((1500, 1500), [1, 2])
wall, cpu = time.perf_counter(), time.process_time()
for _ in range(8):
    matrix = tf.linalg.matmul(matrix, matrix) / 1500
float(matrix[0, 0])
assert time.process_time() - cpu < 1.3 * (time.perf_counter() - wall)
assert not can_set_threads()
set_threads(1)
try:
    set_threads(2)
except UserError as error:
    print(error)

section = train_section(deterministic=False, jit_compile=True, epochs=2)
setup = TrainingSetup(section=section, model=MLP, batch_size=32, seed=42, prepared=prepared)
assert assemble(setup).learner.jit_compile is True
print(choose_jit_compile(setup))
print(choose_threads(setup))
# XLA draws masks of dropout of its own.
for name, compiled in (("plain", False), ("compiled", True)):
    train_small(prepared, out / name, PLAIN, train_section(deterministic=False, jit_compile=compiled, epochs=2))
"""


def setup(digits: Stages, **section: Any) -> TrainingSetup:
    """A training of ten steps an epoch."""
    return TrainingSetup(section=train_section(**section), model=MLP, batch_size=32, seed=42, prepared=digits.prepared)


def assembled(digits: Stages, **section: Any) -> Assembled:
    return assemble(setup(digits, **section))


def trained(digits: Stages, out: Path, **section: Any) -> tuple[str, dict[str, Any]]:
    """The fingerprint and the history of a short training."""
    folder = train_small(digits.prepared, out, MLP, train_section(epochs=2, **section))
    return (folder / "fingerprint").read_text(), json.loads((folder / "history.json").read_text())


def said(folder: Path) -> str:
    return "\n".join(record["text"] for record in read_journal(folder / "journal.jsonl") if record["kind"] == "say")


def test_several_steps_at_once_come_back_to_python_less_often(digits: Stages) -> None:
    learner = assembled(digits, steps_per_execution=5)
    timer = run_steps(learner, num_steps=10)
    assert learner.learner.optimizer.iterations == 5 * len(timer.ends)


@pytest.mark.slow
def test_several_steps_at_once_change_no_bit(digits: Stages, tmp_path: Path) -> None:
    plain = trained(digits, tmp_path / "plain")
    assert trained(digits, tmp_path / "at_once", steps_per_execution=5) == plain


def test_steps_at_once_must_divide_an_epoch(digits: Stages, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a divisor of the 10 steps of an epoch: 1, 2, 5, 10. Received: 4"):
        trained(digits, tmp_path / "trained", steps_per_execution=4)


@pytest.mark.slow
def test_automatic_steps_at_once_divide_an_epoch_and_change_no_bit(digits: Stages, tmp_path: Path) -> None:
    plain = trained(digits, tmp_path / "plain")
    assert trained(digits, tmp_path / "auto", steps_per_execution="auto") == plain
    found = json.loads((tmp_path / "auto" / "compute.json").read_text())
    assert found["asked"] == {"steps_per_execution": "auto"}
    count = found["chosen"]["steps_per_execution"]
    assert 10 % count == 0
    assert f"steps_per_execution: {count} (measured 1: " in said(tmp_path / "auto")
    tags = [
        record["values"] for record in read_journal(tmp_path / "auto" / "journal.jsonl") if record["kind"] == "tags"
    ]
    assert {"compute.steps_per_execution": str(count)} in tags


def test_a_prime_number_of_steps_leaves_nothing_to_measure(digits: Stages) -> None:
    assert choose_steps_per_execution(setup(digits), 97) == Choice(1, "no more than 1 divides the 97 steps of an epoch")


@pytest.mark.slow
def test_bits_are_kept_where_the_recipe_is_deterministic(digits: Stages, tmp_path: Path) -> None:
    plain = trained(digits, tmp_path / "plain")
    assert trained(digits, tmp_path / "auto", jit_compile="auto", threads="auto") == plain
    lines = said(tmp_path / "auto")
    assert "jit_compile: false (deterministic: true keeps the bits, and XLA would change them)" in lines
    assert "threads: unchanged (deterministic: true keeps the bits" in lines


def test_xla_is_not_tried_where_it_was_turned_off(digits: Stages) -> None:
    assembled(digits)  # Deterministic operations stay so for the life of the process.
    choice = choose_jit_compile(setup(digits, deterministic=False))
    assert choice.value is False
    assert "expected layers that XLA can compile, in a process that" in choice.reason


def test_threads_are_not_measured_once_tensorflow_runs(digits: Stages) -> None:
    choice = choose_threads(setup(digits, deterministic=False))
    assert choice.value is None
    assert "TensorFlow already runs" in choice.reason


@pytest.mark.parametrize(("secs", "chosen"), [(1 / (GAIN + 0.01), 4), (1 / (GAIN - 0.01), 1), (2.0, 1)])
def test_another_way_must_be_faster_by_more_than_noise(secs: float, chosen: int) -> None:
    assert _fastest({1: 1.0, 4: secs}, 1).value == chosen


@pytest.mark.slow
def test_threads_and_xla_in_a_fresh_process(digits: Stages, tmp_path: Path) -> None:
    command = [sys.executable, "-c", FRESH_PROCESS, str(digits.prepared), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    assert "which cannot be changed any more. Received: 2; start a new process" in done.stdout
    assert re.search(r"Choice\(value=(True|False), reason='measured false: .* a step, true: .* a step'\)", done.stdout)
    plain, compiled = (json.loads((tmp_path / name / "history.json").read_text()) for name in ("plain", "compiled"))
    for one, two in zip(plain["epochs"], compiled["epochs"], strict=True):
        assert two["loss"] == pytest.approx(one["loss"], rel=1e-4)
