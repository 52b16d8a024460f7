"""`plumbline repair`: a sick run in, a recipe that trains out; a healthy one is left alone."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline import load_recipe, run
from pipeline.cli import main

SMALL = ["train.epochs=8", "train.early_stopping=null", "tracking.system_metrics=false", "train.schedule.type=constant"]


def test_a_sick_run_is_repaired_and_its_recipe_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sick = ["model.kernel_initializer=zeros", "train.optimizer.learning_rate=0.01"]
    run(load_recipe("digits", [*SMALL, *sick]), until="train")
    told = CliRunner().invoke(main, ["repair", "digits"])
    assert told.exit_code == 0, told.output
    assert told.output.splitlines()[-2:] == ["repaired", "wrote repaired.yaml"]
    written = (tmp_path / "repaired.yaml").read_text()
    assert written.startswith("# repaired: model.kernel_initializer=")
    assert "\n# Why: The first weights of " in written
    repaired = load_recipe("repaired.yaml")
    assert repaired.model.kernel_initializer != "zeros"
    assert repaired.seed == load_recipe("digits").seed

    again = CliRunner().invoke(main, ["repair", "digits"])
    assert again.output.splitlines()[-1] == "healthy"
