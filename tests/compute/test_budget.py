"""A budget of time: how many epochs it gives, how their schedule ends, how wrong the forecast was."""

import json
import math
import time
from pathlib import Path
from typing import Any

import pytest

from pipeline.compute.budget import Pace, fit_epochs, measure_pace, report
from pipeline.compute.settle import settle
from pipeline.errors import UserError
from pipeline.journal import Journal, read_journal
from tests.compute.test_steps import MLP, said, setup
from tests.small_runs import Stages, train_section, train_small

PACE = Pace(startup_secs=5.0, epoch_secs=(1.5, 2.0, 2.5), peak_bytes=1000, peak_growth_bytes=200)
COSINE = {"type": "cosine", "warmup_epochs": 1}


def metrics(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for record in read_journal(folder / "journal.jsonl"):
        found |= record["values"] if record["kind"] == "metrics" else {}
    return found


def test_as_many_epochs_as_fit() -> None:
    forecast = fit_epochs(PACE, 60.0)
    assert (forecast.epochs, forecast.secs) == (27, 59.0)
    assert forecast.interval_secs == (5 + 27 * 1.5, 5 + 27 * 2.5)
    assert (forecast.peak_bytes, forecast.most_bytes) == (1000, 1200)
    assert fit_epochs(PACE, 7.0).epochs == 1


def test_a_budget_below_one_epoch_is_refused() -> None:
    with pytest.raises(UserError, match=r"train.budget: .* one epoch at least, which takes 7 s here. There are 6.9 s"):
        fit_epochs(PACE, 6.9)


def test_the_report_says_how_wrong_the_forecast_was_for_the_epochs_that_ran(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    report(fit_epochs(PACE, 60.0), epochs=10, secs=30.0, journal=journal)
    found = metrics(tmp_path)
    assert found["forecast/secs"] == 25.0
    assert found["forecast/error"] == pytest.approx(0.2)
    assert found["forecast/peak_error"] == found["forecast/actual_peak_bytes"] / 1000 - 1
    assert said(tmp_path).startswith("forecast: 10 epochs took 30 s and not 25 s (+20%); peak of memory ")


@pytest.mark.slow
def test_the_pace_is_of_whole_epochs_with_their_validation(digits: Stages) -> None:
    plain, slow = (measure_pace(setup(digits, steps_per_execution=count)) for count in (1, 10))
    for pace in (plain, slow):
        assert len(pace.epoch_secs) == 5
        assert all(0 < secs < 5 for secs in pace.epoch_secs)
        assert pace.startup_secs > max(pace.epoch_secs)


@pytest.mark.slow
def test_the_schedule_ends_with_the_time_and_the_run_can_be_repeated(digits: Stages, tmp_path: Path) -> None:
    # On a busy machine measuring takes longer: the budget is to leave as long again, and some epochs.
    started = time.perf_counter()
    probed = settle(setup(digits, budget="1h"), out=tmp_path, journal=Journal(tmp_path / "journal.jsonl")).forecast
    assert probed
    budget = math.ceil(2 * (time.perf_counter() - started) + probed.startup_secs + 20 * probed.epoch_secs)
    section = train_section(budget=f"{budget}s", schedule=COSINE)
    folder = train_small(digits.prepared, tmp_path / "budget", MLP, section)
    found = json.loads((folder / "compute.json").read_text())
    epochs, forecast = found["chosen"]["epochs"], found["forecast"]
    history = json.loads((folder / "history.json").read_text())["epochs"]
    assert len(history) == epochs > 1
    assert history[-1]["learning_rate"] == pytest.approx(0, abs=1e-9)
    assert history[len(history) // 2]["learning_rate"] > 1e-4
    assert forecast["secs"] <= budget
    logged = metrics(folder)
    assert logged["forecast/error"] == pytest.approx(logged["forecast/actual_secs"] / logged["forecast/secs"] - 1)
    assert f"to repeat this run to the bit: train.budget=null train.epochs={epochs}" in said(folder)

    repeated = train_small(digits.prepared, tmp_path / "epochs", MLP, train_section(epochs=epochs, schedule=COSINE))
    assert (repeated / "fingerprint").read_text() == (folder / "fingerprint").read_text()


@pytest.mark.slow
def test_a_training_that_is_continued_keeps_its_number_of_epochs(digits: Stages, tmp_path: Path) -> None:
    (tmp_path / "compute.json").write_text(json.dumps({"asked": {"budget": "1h"}, "chosen": {"epochs": 7}}))
    journal = Journal(tmp_path / "journal.jsonl")
    settled = settle(setup(digits, budget="1h"), out=tmp_path, journal=journal)
    assert (settled.setup.section.epochs, settled.setup.section.budget, settled.forecast) == (7, None, None)
    assert not said(tmp_path)


def test_epochs_too_few_for_the_recipe_are_refused(digits: Stages, tmp_path: Path) -> None:
    section = {"budget": "1m", "schedule": {"type": "cosine", "warmup_epochs": 100_000}}
    with pytest.raises(UserError, match=r"train.budget: \d+ epochs fit. train.schedule.warmup_epochs: expected fewer"):
        settle(setup(digits, **section), out=tmp_path, journal=Journal(tmp_path / "journal.jsonl"))
