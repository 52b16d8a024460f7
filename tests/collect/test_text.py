import csv
import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import UserError
from tests.collect.conftest import run


def reviews(count: int = 200) -> list[dict[str, Any]]:
    return [{"review": f"Review {i}, of “wine”\nand bread.", "stars": 1 + i % 5, "shop": i // 4} for i in range(count)]


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def test_jsonl_of_texts_with_few_integers_is_multiclass(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "reviews.jsonl", reviews())
    collected = run(tmp_path / "out", type="text", path=path, text="review", label="stars")
    assert (collected.manifest.kind, collected.manifest.task) == ("text", "multiclass")
    assert collected.manifest.classes == ("1", "2", "3", "4", "5")
    expected = {row["review"]: row["stars"] - 1 for row in reviews()}
    found = {row["text"]: row["__label__"] for row in collected.development.to_pylist() + collected.test.to_pylist()}
    assert found == expected


def test_csv_and_jsonl_of_the_same_texts_are_the_same_data(tmp_path: Path) -> None:
    with (tmp_path / "reviews.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["review", "stars", "shop"])
        writer.writeheader()
        writer.writerows(reviews())
    keys = {"type": "text", "text": "review", "label": "stars", "split": {"by": "group", "column": "shop"}}
    first = run(tmp_path / "a", path=str(tmp_path / "reviews.csv"), **keys)
    again = run(tmp_path / "b", path=write_jsonl(tmp_path / "reviews.jsonl", reviews()), **keys)
    assert first.result.fingerprint == again.result.fingerprint


def test_lists_of_labels_are_multilabel(tmp_path: Path) -> None:
    rows = [{"text": f"text {i}", "label": ["even"] * (i % 2 == 0) + ["third"] * (i % 3 == 0)} for i in range(100)]
    collected = run(tmp_path / "out", type="text", path=write_jsonl(tmp_path / "t.jsonl", rows))
    assert (collected.manifest.task, collected.manifest.classes) == ("multilabel", ("even", "third"))
    for row in collected.development.to_pylist():
        i = int(row["text"].split()[1])
        assert row["__label__"] == [float(i % 2 == 0), float(i % 3 == 0)]


def test_fractions_are_regression_and_the_task_can_be_asked_for(tmp_path: Path) -> None:
    rows = [{"text": f"text {i}", "label": i / 4} for i in range(100)]
    collected = run(tmp_path / "out", type="text", path=write_jsonl(tmp_path / "t.jsonl", rows))
    assert collected.manifest.task == "regression"
    stars = write_jsonl(tmp_path / "reviews.jsonl", reviews())
    asked = run(tmp_path / "asked", type="text", path=stars, text="review", label="stars", task="regression")
    assert (asked.manifest.task, asked.manifest.classes) == ("regression", ())
    assert set(asked.development.column("__label__").to_pylist()) == {1.0, 2.0, 3.0, 4.0, 5.0}


def test_lines_that_are_no_examples_are_all_named(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"text": "fine", "label": 1}\n{"text": oops}\n[1]\n\n{"text": "", "label": 2}\n')
    with pytest.raises(UserError) as caught:
        run(tmp_path / "out", type="text", path=str(path))
    message = str(caught.value)
    assert "t.jsonl:2: not JSON (Expecting value at place 10)" in message
    assert 't.jsonl:3: expected an object, such as {"text": …}. Received: [1]' in message
    assert "t.jsonl:5: expected a text in text. Received: nothing" in message


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.jsonl", '{"txt": "a", "label": 1}\n', r"data\.text: .* has no column 'text'\. Did you mean `txt`\?"),
        (
            "t.jsonl",
            '{"text": "a", "label": 1}\n{"text": "b", "label": "x"}\n',
            r"t\.jsonl:1: label: expected string, as in other rows\. Received: 1",
        ),
        ("t.jsonl", '{"text": "a", "label": 1}\n{"text": "b"}\n', r"1 of 2 examples have no label \(t\.jsonl:2\)"),
        ("t.txt", "a\n", r"expected a \.csv or \.jsonl file"),
    ],
)
def test_mistakes_in_a_text_file_are_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=message):
        run(tmp_path / "out", type="text", path=str(tmp_path / name))
