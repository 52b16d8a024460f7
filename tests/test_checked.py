"""`plumbline check`: what it says of a recipe before it trains, and that what it prints works."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pipeline.cli import main

FAULTS = ["train.optimizer.learning_rate=5", "model.batch_norm=true", "data.batch_size=4"]


def check(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["check", "breast_cancer", *arguments, "tracking.system_metrics=false"])


def test_faults_are_told_with_overrides_that_mend_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    told = check(*FAULTS)
    assert told.exit_code == 3
    lines = told.output.splitlines()
    assert lines[-2] == "breast_cancer: 2 things to mend first"
    assert "A learning rate of 5 is too high for Adam; 0.001 is usual." in told.output
    remedies = [line.strip().removeprefix("- ").split(":")[0] for line in lines if line.strip().startswith("- ")]
    # Groups are of the channels of convolutions: this network refuses them.
    assert remedies == [
        *("train.optimizer.learning_rate=0.001", "data.batch_size=32"),
        "model.batch_norm=null model.normalization=layer",
    ]
    assert lines[-1].startswith("try: plumbline run breast_cancer ")
    assert "learning_rate=5" not in lines[-1]
    assert lines[-1].endswith(" train.optimizer.learning_rate=0.001")
    mended = check(*FAULTS, *remedies[:2])
    assert mended.exit_code == 0
    assert mended.output.splitlines()[-1] == "breast_cancer: ready to train"
