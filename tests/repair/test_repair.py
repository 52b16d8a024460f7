"""`plumbline repair`, `explain` and `train.on_sick: repair`: a sick run in, a recipe that trains and its proof out."""

import json
import os
import re
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pipeline import load_recipe, run
from pipeline.cli import main
from pipeline.compute import settle
from pipeline.diagnosis.remedies import smaller_from
from pipeline.diagnosis.repair import Trial
from pipeline.recipe.load import dump_recipe
from pipeline.repair.account import CONTROL_DID
from pipeline.repair.changes import changed
from pipeline.repair.repair import can_go_back
from pipeline.repair.trials import Trials
from pipeline.tracking import open_store

SMALL = {"epochs": 10, "optimizer": {"learning_rate": 0.01}}
BROKEN = {"epochs": 10, "optimizer": {"type": "sgd", "learning_rate": 1e30, "momentum": 0.9}, "on_sick": "repair"}


def cells(train: dict[str, Any], **model: Any) -> dict[str, Any]:
    return {
        "name": "cells",
        "data": {"type": "breast_cancer"},
        "model": {"type": "mlp", "units": [8], **model},
        "train": train,
        "tracking": {"system_metrics": False},
    }


def plumbline(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def interrupt_a_second_training() -> None:
    """Does as Ctrl-C would, once a training that came after the first is some epochs old."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        journals = Path("mlruns/stages/train").glob(".*.partial/journal.jsonl")
        if any('"step": 3' in journal.read_text(encoding="utf-8") for journal in journals):
            os.kill(os.getpid(), signal.SIGINT)
            return
        time.sleep(0.005)


@pytest.mark.slow
def test_a_repair_that_was_interrupted_goes_on_where_it_was(here: Path) -> None:
    run(cells({**SMALL, "epochs": 60}, kernel_initializer="zeros"), until="train")
    interrupter = threading.Thread(target=interrupt_a_second_training)
    interrupter.start()
    stopped = plumbline("repair", "cells")
    interrupter.join()
    assert stopped.exit_code == 130, stopped.output
    (left,) = Path("mlruns/stages/train").glob(".*.partial/checkpoints")
    told = plumbline("repair", "cells")
    assert told.exit_code == 0, told.output
    assert "\nrepaired   " in told.output
    journals = [file.read_text(encoding="utf-8") for file in Path("mlruns/stages/train").glob("*/journal.jsonl")]
    assert sum("goes on from epoch" in journal for journal in journals) == 1
    assert not left.exists()


def test_a_sick_run_is_repaired_proven_recorded_and_explained(here: Path) -> None:
    sick = run(cells(SMALL, kernel_initializer="zeros"), until="train")
    told = plumbline("repair", "cells")
    assert told.exit_code == 0, told.output
    assert "\nrepaired   " in told.output
    assert " of validation accuracy over the sick training, 95 % interval " in told.output
    assert " of validation accuracy over the untouched control, 95 % interval " in told.output

    written = Path("repaired.yaml").read_text()
    assert written.startswith("# repaired: model.")
    assert "\n# Why: The first weights of 2 layers are off" in written
    again = run("repaired.yaml", until="train")
    assert not again.ran
    assert again.metrics["best/val_accuracy"] > 0.9
    assert again.recipe.seed == sick.recipe.seed

    client = open_store(sick.recipe.tracking.uri, here).client
    (experiment,) = client.search_experiments(filter_string="name = 'cells'")
    runs = {each.info.run_name: each for each in client.search_runs([experiment.experiment_id])}
    sick_run = client.get_run(sick.run_id)
    assert sick_run.data.tags["diagnosis.status"] == "sick"
    assert "poor_initialization" in sick_run.data.tags["diagnosis.symptoms"]
    looked_at = client.get_metric_history(sick.run_id, "diagnosis/largest_gradient")
    assert [point.step for point in looked_at] == [0, 1, 2, 3, 4, 6, 8, 9]
    tree = runs["cells repair"]
    assert (tree.data.tags["mlflow.parentRunId"], tree.data.tags["repair.of"]) == (sick.run_id, sick.run_id)
    nested = [each for each in runs.values() if each.data.tags.get("mlflow.parentRunId") == tree.info.run_id]
    assert {each.info.run_name for each in nested} >= {"cells control", "cells trial 1"}
    assert tree.data.tags["repair.verdict"] == "repaired"
    assert tree.data.metrics["repair/accuracy_gain_over_control_low"] > 0

    assert plumbline("explain", "cells").exit_code == 0
    page = Path("explanation.html").read_text()
    assert "cells: sick, then repaired" in page
    assert "after, validation" in page
    (printed,) = re.findall(r"\nrun {8}([0-9a-f]{32}) ", told.output)
    assert plumbline("explain", printed).exit_code == 0
    assert "cells repair: sick, then repaired" in Path("explanation.html").read_text()
    assert "Gained: " in page
    assert page.count("<svg") == 2


@pytest.mark.slow
def test_where_only_other_random_numbers_help_the_recipe_says_that_it_depends_on_its_seed(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lucky(self: Trials, seed: int) -> Trial:
        better = changed(self.recipe, {"seed": seed, "train.on_sick": "warn", "model.kernel_initializer": "auto"})[0]
        return self._train("control", {"seed": seed}, better)

    monkeypatch.setattr(Trials, "control", lucky)
    for changes in ("candidates", "named"):
        monkeypatch.setattr(f"pipeline.diagnosis.repair.{changes}", lambda *_: iter(()))
    run(cells(SMALL, kernel_initializer="zeros"), until="train")
    told = plumbline("repair", "cells")
    assert "\nimproved   " in told.output
    assert CONTROL_DID in told.output
    written = Path("repaired.yaml").read_text()
    assert written.startswith("# improved: seed=")
    assert f"# {CONTROL_DID}\n" in written
    assert not run("repaired.yaml", until="train").ran
    assert plumbline("explain", "cells").exit_code == 0
    page = Path("explanation.html").read_text()
    assert "other random numbers alone made it healthy" in page
    assert CONTROL_DID in page


@pytest.mark.slow
def test_a_run_whose_loss_is_no_number_goes_on_with_the_repaired_network(here: Path) -> None:
    Path("broken.yaml").write_text(dump_recipe(load_recipe(cells(BROKEN))))
    told = plumbline("run", "broken.yaml", "--until", "train")
    assert told.exit_code == 0, told.output
    assert "sick        1 epochs  no network" in told.output
    assert "; the run goes on with the repaired network" in told.output
    assert "neither the sick training nor the control left a network" in told.output
    result = run("broken.yaml", until="train")
    assert not result.ran
    assert result.metrics["best/val_accuracy"] > 0.9
    assert result.tags["repair.verdict"] == "repaired"
    tree = json.loads((here / f"mlruns/runs/{result.tags['repair.before']}/artifacts/train/diagnosis.json").read_text())
    assert "nan" in {finding["symptom"] for finding in tree["findings"]}
    assert plumbline("explain", "cells").exit_code == 0
    assert "cells: sick, then repaired" in Path("explanation.html").read_text()


@pytest.mark.slow
def test_a_run_whose_budget_allows_no_diagnosis_goes_on_without_a_repair(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit_epochs = settle.fit_epochs
    monkeypatch.setattr(settle, "fit_epochs", lambda pace, _: replace(fit_epochs(pace, 3600.0), epochs=3))
    result = run(cells({"budget": "4s", "on_sick": "repair"}), until="train")
    assert result.tags["repair.verdict"] == "not diagnosed"
    assert len(json.loads((result.folder("train") / "history.json").read_text())["epochs"]) == 3


@pytest.mark.slow
def test_a_healthy_run_that_may_be_repaired_is_left_alone_and_going_back_repeats_every_bit(here: Path) -> None:
    healthy = run(cells({**SMALL, "on_sick": "repair"}), until="train")
    assert healthy.tags["repair.verdict"] == "healthy"
    assert [outcome.name for outcome in healthy.outcomes if outcome.ran] == ["collect", "preprocess", "repair"]

    told = plumbline("repair", "cells")
    assert (told.exit_code, told.output) == (0, "healthy\n")

    back = run(changed(healthy.recipe, smaller_from(6).overrides)[0], until="train")
    before, after = (
        json.loads((each.folder("train") / "history.json").read_text())["epochs"] for each in (healthy, back)
    )
    assert after[:5] == before[:5]
    assert after[7]["loss"] != before[7]["loss"]


@pytest.mark.parametrize(
    ("changes", "is_possible"),
    [
        ([], True),
        (["train.schedule.warmup_epochs=2"], False),
        (["train.schedule.type=cosine"], False),
        (["train.fine_tuning.epochs=3"], False),
    ],
)
def test_only_one_phase_at_one_rate_can_be_gone_back_to(changes: list[str], is_possible: bool) -> None:
    images = {
        "name": "flowers",
        "data": {"type": "folder", "path": "."},
        "model": {"type": "transfer", "source": "a.keras"},
    }
    assert can_go_back(load_recipe(images, changes)) == is_possible
