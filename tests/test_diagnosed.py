"""`plumbline diagnose`: what it says of a recorded run, and how it ends."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline import load_recipe, run
from pipeline.cli import main

SICK = [
    *("train.epochs=5", "train.on_sick=stop", "train.optimizer.type=sgd", "train.optimizer.momentum=0.9"),
    *("model.kernel_initializer=zeros", "tracking.system_metrics=false"),
]


def test_a_sick_run_is_told_with_remedies_and_ends_with_3(here: Path) -> None:
    recipe = load_recipe("digits", [*SICK, "train.early_stopping=null"])
    run(recipe, until="train")
    told = CliRunner().invoke(main, ["diagnose", "digits"])
    assert told.exit_code == 3
    assert told.output.splitlines()[0].endswith(": sick")
    assert "critical  poor_initialization in " in told.output
    assert "- model.kernel_initializer=auto: " in told.output
    printed = [line[4:].partition(": ")[0].split() for line in told.output.splitlines() if line.startswith("  - ")]
    assert all(load_recipe("digits", [*SICK, *overrides]) != recipe for overrides in printed)
    unknown = CliRunner().invoke(main, ["diagnose", "nothing"])
    assert unknown.exit_code == 2


@pytest.mark.slow
def test_a_healthy_run_ends_with_0(here: Path) -> None:
    run(load_recipe("digits", ["train.epochs=20", "tracking.system_metrics=false"]), until="train")
    told = CliRunner().invoke(main, ["diagnose", "digits"])
    assert told.exit_code == 0
    assert told.output.splitlines()[0].endswith(": healthy")
    assert "before the first step" not in told.output


def test_what_the_pre_flight_found_is_told_unless_the_training_showed_it(here: Path) -> None:
    overrides = [*SICK, "train.early_stopping=null", "data.batch_size=4"]
    run(load_recipe("digits", overrides), until="train")
    told = CliRunner().invoke(main, ["diagnose", "digits"])
    assert "warning  small_batch_norm in " in told.output
    assert told.output.count("before the first step") == 1
    assert told.output.count("poor_initialization in ") == 1
