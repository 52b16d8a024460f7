"""Planted leakage is found and said: rows of train in the test split, columns that give the label away."""

import random
from pathlib import Path

import pytest

from pipeline.errors import UserError
from tests.collect.conftest import Collected, run
from tests.collect.test_table import write_csv

HEADER = ["day", "size", "status", "refund", "quality"]


def orders(task: str, count: int = 600) -> list[list[str]]:
    """Rows of which `status` and `refund` were written once the outcome was known; `size` only hints at it."""
    draw = random.Random(0)
    rows = []
    for i in range(count):
        value = draw.gauss(0, 1)
        good = value > 0
        status = draw.choice(["paid", "shipped"]) if good else draw.choice(["returned", "lost", "refused"])
        refund = "" if good else f"{draw.uniform(5, 50):.2f}"
        if task == "regression":
            status, refund = draw.choice(["paid", "lost"]), f"{2.54 * value:.3f}"
        size = f"{value + draw.gauss(0, 0.5):.6f}"
        rows.append(
            [f"2024-01-{1 + i // 20:02}", size, status, refund, f"{value:.4f}" if task == "regression" else str(good)]
        )
    return rows


def collected(out: Path, rows: list[list[str]], **checks: str) -> Collected:
    path = write_csv(out.parent / f"{out.name}.csv", rows, HEADER)
    split = {"by": "time", "column": "day"}
    return run(out, type="csv", path=path, label="quality", ignore=["day"], split=split, checks=checks)


@pytest.mark.parametrize(("task", "leaky"), [("binary", {"status", "refund"}), ("regression", {"refund"})])
def test_columns_that_give_the_label_away_are_found_and_no_others(tmp_path: Path, task: str, leaky: set[str]) -> None:
    found = collected(tmp_path / "out", orders(task))
    (finding,) = [each for each in found.report["findings"] if each["check"] == "leaky_columns"]
    assert {name for name in HEADER[:-1] if f"{name} (" in finding["text"]} == leaky
    assert "leaky columns" in (found.out / "artifacts" / "data_report.html").read_text()
    assert any(line.startswith("warning: leaky_columns: columns ") for line in found.lines)


def test_test_rows_that_are_in_train_too_are_found_and_counted(tmp_path: Path) -> None:
    rows = orders("binary")
    planted = [["2024-01-31", *row[1:]] for row in rows[:7]]
    assert not checks_of(collected(tmp_path / "honest", rows)) & {"leakage", "duplicates"}
    found = collected(tmp_path / "out", [*rows, *planted])
    (finding,) = [each for each in found.report["findings"] if each["check"] == "leakage"]
    assert finding["text"].startswith("7 contents are in more than one split (such as ")
    assert "<b>leakage</b>: 7 contents" in (found.out / "artifacts" / "data_report.html").read_text()
    with pytest.raises(UserError, match="leakage: 7 contents are in more than one split"):
        collected(tmp_path / "strict", [*rows, *planted], leakage="error")


def checks_of(found: Collected) -> set[str]:
    return {finding["check"] for finding in found.report["findings"]}
