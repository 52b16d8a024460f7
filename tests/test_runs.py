"""Runs in the terminal: the list, and what differs between two."""

import time
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

from pipeline.cache import Ingredients
from pipeline.errors import UserError
from pipeline.journal import Journal
from pipeline.runs import (
    Difference,
    RunRow,
    compare_records,
    compare_runs,
    comparison_table,
    find_run,
    list_runs,
    runs_table,
)
from pipeline.tracking import RunRecord
from tests.test_tracking import MANIFEST, open_tracking


def record(run_id: str, name: str = "digits", **facts: dict) -> RunRecord:
    empty = {"params": {}, "metrics": {}, "tags": {}}
    started = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    return RunRecord(run_id, name, "digits", "FINISHED", started, 75.0, **{**empty, **facts})


def drawn(renderable: RenderableType) -> str:
    console = Console(width=200, file=StringIO())
    console.print(renderable)
    return console.file.getvalue()


def test_errors_and_recipe_values_are_printed_as_they_are() -> None:
    said = "FileNotFoundError: expected one of [/data/a] or [node x]"
    row = RunRow("abc", "digits", "FAILED", datetime(2026, 1, 2, tzinfo=UTC), 1.0, {}, "", "", said)
    assert said[:45] in drawn(runs_table([row]))
    left, right = (record(name, params={"data.path": f"[/{name}]"}) for name in "ab")
    text = drawn(comparison_table(compare_records(left, right)))
    assert "[/a]" in text
    assert "[/b]" in text


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store with three runs of two experiments: digits, broken, digits again."""
    base = tmp_path_factory.mktemp("store")
    tracking = open_tracking(base)
    write(tracking, base, "digits", {"train.epochs": 3}, {"best/val_loss": 0.5, "test/accuracy": 0.9})
    with pytest.raises(RuntimeError):
        write(open_tracking(base), base, "broken", {}, {"best/val_loss": 0.7}, RuntimeError("no"))
    write(tracking, base, "digits", {"train.epochs": 5}, {"best/val_loss": 0.4, "test/accuracy": 0.95})
    return tracking.store.uri


def write(tracking, folder: Path, name: str, params: dict, metrics: dict, error: Exception | None = None) -> None:
    time.sleep(0.01)  # MLflow orders runs by the millisecond they began
    code = {"pipeline.training.train": str(params)}
    with tracking.run(name, params=params, environment={"python": "3.11", "git.commit": "abc"}, artifacts={}) as run:
        run.log_data("digits", MANIFEST)
        ingredients = Ingredients({}, {}, code, {})
        out = folder / run.id
        out.mkdir()
        with run.stage("train", folder=out, reason="first run", ingredients=ingredients) as stage:
            Journal(out / "journal.jsonl", (stage.listener,)).log_metrics(metrics)
            if error:
                raise error


def test_list_is_newest_first_without_the_runs_of_stages(uri: str) -> None:
    rows = list_runs(uri)
    assert [(row.name, row.status) for row in rows] == [
        ("digits", "FINISHED"),
        ("broken", "FAILED"),
        ("digits", "FINISHED"),
    ]
    assert rows[0].started > rows[2].started
    assert [len(row.id) for row in rows] == [8, 8, 8]
    assert rows[0].data == "01234567"


def test_list_shows_test_metrics_and_best_ones_before_there_is_a_test(uri: str) -> None:
    assert [row.metrics for row in list_runs(uri)] == [
        {"test/accuracy": 0.95},
        {"best/val_loss": 0.7},
        {"test/accuracy": 0.9},
    ]


def test_list_can_be_limited(uri: str) -> None:
    assert len(list_runs(uri, limit=2)) == 2
    assert len(list_runs(uri, experiment="digits")) == 3


def test_unknown_experiment_is_named_with_the_nearest(uri: str) -> None:
    with pytest.raises(UserError, match=r"expected one of Default, digits. Received: digit. Did you mean `digits`\?"):
        list_runs(uri, experiment="digit")


def test_comparison_of_stored_runs(uri: str) -> None:
    newest, _, oldest = list_runs(uri)
    comparison = compare_runs(uri, oldest.id, "digits")
    assert comparison.right.id.startswith(newest.id)
    assert comparison.recipe == [Difference("train.epochs", "3", "5")]
    assert [row.key for row in comparison.code] == ["code.train"]
    assert comparison.data == comparison.environment == []
    assert [(row.key, row.left, row.right) for row in comparison.metrics] == [
        ("test/accuracy", 0.9, 0.95),
        ("best/val_loss", 0.5, 0.4),
    ]
    assert comparison.metrics[0].difference == pytest.approx(0.05)


def test_each_kind_of_difference_has_its_place() -> None:
    left = record("a", params={"seed": "1"}, tags={"data.fingerprint": "x", "git.dirty": "no", "library.keras": "3.15"})
    right = record("b", params={"seed": "2", "l2": "0.1"}, tags={"data.fingerprint": "y", "git.dirty": "yes"})
    comparison = compare_records(left, right)
    assert comparison.recipe == [Difference("l2", None, "0.1"), Difference("seed", "1", "2")]
    assert comparison.data == [Difference("data.fingerprint", "x", "y")]
    assert comparison.code == [Difference("git.dirty", "no", "yes")]
    assert comparison.environment == [Difference("library.keras", "3.15", None)]


def test_metric_that_one_run_lacks_has_no_difference() -> None:
    (pair,) = compare_records(record("a", metrics={"loss": 1.0}), record("b")).metrics
    assert (pair.left, pair.right, pair.difference) == (1.0, None, None)


def test_run_is_found_by_id_by_its_beginning_and_by_name() -> None:
    records = [record("abc1"), record("abd2", "other"), record("abe3")]
    assert find_run(records, "abe3").id == "abe3"
    assert find_run(records, "abd").id == "abd2"
    assert find_run(records, "digits").id == "abc1"


def test_unknown_or_ambiguous_run_is_refused() -> None:
    records = [record("abc1"), record("abd2")]
    with pytest.raises(UserError, match="Received that of 2: abc1, abd2"):
        find_run(records, "ab")
    with pytest.raises(UserError, match=r"expected the id or the name of a run .* Did you mean `digits`\?"):
        find_run(records, "digit")


def test_tables_show_what_they_are_given(uri: str) -> None:
    text = drawn(runs_table(list_runs(uri)))
    assert "  accuracy 0.95" in text
    assert "best/val_loss 0.7" in text
    assert "failed" in text
    text = drawn(comparison_table(compare_runs(uri, list_runs(uri)[2].id, "digits")))
    assert "train.epochs" in text
    assert "+0.05" in text
    assert "the same in both: data, environment" in text
