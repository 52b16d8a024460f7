"""The report of a run: all that was recorded on one page, of any kind of data, also where a run did not finish."""

import re
from pathlib import Path

import pytest

from pipeline.cache import Entry, Ingredients
from pipeline.journal import StageResult
from pipeline.reporting import REPORT, reported
from pipeline.reporting.recorded import costs
from pipeline.results import in_words, scores_on_test
from pipeline.tracking import Run
from tests.small_runs import Stages
from tests.test_tracking import open_tracking, start

MAX_BYTES = 500_000


def report_on(stages: Stages, base: Path) -> tuple[str, Run]:
    """The report of a run of these stages, as their journals tell it."""
    with start(open_tracking(base)) as run, reported(lambda: run):
        for name, folder in (("train", stages.trained), ("evaluate", stages.evaluated)):
            entry = Entry(folder, Ingredients({}, {}, {}, {}), StageResult("f00d", f"{name} ended"), 1.0, "0" * 32)
            run.replay(name, entry)
    return run.folder.artifact(REPORT).read_text(), run


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["digits", "cells", "diabetes", "topics"])
def test_a_page_holds_every_metric_with_its_interval_and_needs_no_other_file(
    kind: str, request: pytest.FixtureRequest, here: Path
) -> None:
    page, run = report_on(request.getfixturevalue(kind), here)
    for name in scores_on_test(run.facts.metrics):
        value, _, interval = in_words(name, run.facts.metrics).partition(" ")
        assert f"<b>{value}</b>" in page
        assert interval.strip("[]").replace(", ", " to ") in page
    assert set(re.findall(r'(?:src|href)="(#|[a-z]+:|[^"]{0,9})', page)) <= {"#", "data:"}
    assert "@import" not in page
    assert "<script" not in page
    assert len(page) < MAX_BYTES
    assert "<h2>Training</h2>" in page
    assert ("Groups of test examples" in page) == ("Every metric on every group" in page)
    assert f'"{REPORT}"' in run.folder.journal.read_text()


def test_errors_are_shown_as_images_or_as_rows(digits: Stages, cells: Stages, here: Path) -> None:
    page, _ = report_on(digits, here)
    assert page.count("taken for <b>") == 16
    page, _ = report_on(cells, here)
    assert page.count("<details><summary>Every metric on every group") == 1
    assert "<th>confidence or distance</th>" in page
    assert "<th>mean radius</th>" in page


def test_a_run_that_fails_has_a_report_that_says_why(here: Path) -> None:
    def fail() -> None:
        with start(open_tracking(here)) as run, reported(lambda: run):
            runs.append(run)
            raise RuntimeError("the <disk> is full")

    runs: list[Run] = []
    with pytest.raises(RuntimeError):
        fail()
    page = runs[0].folder.artifact(REPORT).read_text()
    assert "It did not finish: RuntimeError: the &lt;disk&gt; is full" in page
    assert "plumbline run recipe.yaml" in page


def test_the_time_of_a_stage_that_went_on_leaves_out_the_time_between() -> None:
    said = {"kind": "metrics", "run": "train", "values": {"system/cpu_utilization_percentage": 40.0}}
    records = [
        {"kind": "begin", "run": "train", "time": 1000},
        {**said, "time": 3000},
        {"kind": "begin", "run": "train", "time": 900_000},
        {"kind": "metrics", "run": "", "of": ["train", 7, "key"], "values": {}, "step": 0, "time": 904_500},
        {"kind": "say", "run": "", "text": "of the run itself", "time": 990_000},
    ]
    found = costs(records)
    assert found["train"].seconds == 6.5
    assert found["train"].machine == "CPU 40 %"
