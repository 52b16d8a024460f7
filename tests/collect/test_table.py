import csv
import datetime
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import UserError
from tests.collect.conftest import run

HEADER = ["alcohol", "colour", "organic", "bottled", "zip", "quality"]


def wine(count: int = 300) -> list[list[str]]:
    draw = random.Random(0)
    return [
        [
            f"{draw.uniform(8, 15):.2f}" if i % 10 else "NA",
            draw.choice(["red", "white", "rosé, dry"]),
            draw.choice(["yes", "no"]),
            (datetime.date(2020, 1, 1) + datetime.timedelta(days=i)).isoformat(),
            f"{draw.randrange(5):05d}",
            draw.choice(["good", "bad"]),
        ]
        for i in range(count)
    ]


def write_csv(path: Path, rows: list[list[str]], header: list[str] = HEADER, separator: str = ",") -> str:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=separator).writerows([header, *rows])
    return str(path)


def test_types_are_inferred_and_shown(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "wine.csv", wine())
    collected = run(tmp_path / "out", type="csv", path=path, label="quality")
    types = {column.name: column.type for column in collected.manifest.columns}
    assert types == {
        "alcohol": "number",
        "colour": "category",
        "organic": "boolean",
        "bottled": "date",
        "zip": "category",
    }
    assert any("colour (category)" in line and "bottled (date)" in line for line in collected.lines)
    assert (collected.manifest.task, collected.manifest.classes) == ("binary", ("bad", "good"))


def test_values_are_those_of_the_file(tmp_path: Path) -> None:
    rows = wine()
    path = write_csv(tmp_path / "wine.csv", rows)
    collected = run(tmp_path / "out", type="csv", path=path, label="quality")
    found = {row["bottled"].date().isoformat(): row for row in collected.development.to_pylist()}
    found |= {row["bottled"].date().isoformat(): row for row in collected.test.to_pylist()}
    assert len(found) == 300
    for alcohol, colour, organic, bottled, code, quality in rows:
        row = found[bottled]
        assert row["alcohol"] == (None if alcohol == "NA" else float(alcohol))
        assert (row["colour"], row["organic"], row["zip"]) == (colour, organic == "yes", code)
        assert row["__label__"] == ("bad", "good").index(quality)
    columns = {column["name"]: column for column in collected.report["columns"]}
    train = [row for row in found.values() if row.get("__split__") == "train"]
    assert columns["alcohol"]["missing"] == sum(row["alcohol"] is None for row in train)


def test_whole_numbers_are_one_category_however_written(tmp_path: Path) -> None:
    rows = [[text, "ab"[i % 2], f"{i}.5"] for i, text in enumerate(["3", "3.0", "3.10", "x"] * 20)]
    path = write_csv(tmp_path / "t.csv", rows, ["code", "y", "x"])
    collected = run(tmp_path / "out", type="csv", path=path, label="y")
    tables = (collected.development, collected.test)
    assert {code for table in tables for code in table.column("code").to_pylist()} == {"3", "3.10", "x"}


def test_parquet_and_csv_of_the_same_table_are_the_same_data(tmp_path: Path) -> None:
    rows = wine()
    write_csv(tmp_path / "wine.csv", rows)
    alcohol, colour, organic, bottled, zips, quality = zip(*rows, strict=True)
    table = pa.table(
        {
            "alcohol": [None if text == "NA" else float(text) for text in alcohol],
            "colour": pa.array(colour).dictionary_encode(),
            "organic": [text == "yes" for text in organic],
            "bottled": [datetime.date.fromisoformat(text) for text in bottled],
            "zip": zips,
            "quality": quality,
        }
    )
    pq.write_table(table, tmp_path / "wine.parquet")
    fingerprints = [
        run(tmp_path / kind, type=kind, path=str(tmp_path / f"wine.{kind}"), label="quality").result.fingerprint
        for kind in ("csv", "parquet")
    ]
    assert fingerprints[0] == fingerprints[1]


def test_rows_that_are_added_or_moved_change_no_split_of_the_others(tmp_path: Path) -> None:
    rows = wine(400)
    few = run(tmp_path / "few", type="csv", path=write_csv(tmp_path / "few.csv", rows[:250]), label="quality")
    moved = rows[::-1]
    more = run(tmp_path / "more", type="csv", path=write_csv(tmp_path / "more.csv", moved), label="quality")
    before, after = few.splits("__id__"), more.splits("__id__")
    assert len(before) == 250
    assert before.items() <= after.items()
    assert set(before.values()) == {"train", "validation", "test"}


def test_rows_of_one_group_stay_together_when_rows_are_added(tmp_path: Path) -> None:
    rows = [[*row, f"winery {i % 40}"] for i, row in enumerate(wine(400))]
    keys: dict[str, Any] = {"label": "quality", "split": {"by": "group", "column": "winery"}}
    paths = [write_csv(tmp_path / f"{n}.csv", rows[:n], [*HEADER, "winery"]) for n in (200, 400)]
    few, more = (run(tmp_path / str(i), type="csv", path=path, **keys) for i, path in enumerate(paths))
    assert few.splits("__id__").items() <= more.splits("__id__").items()
    assert "winery" not in more.development.schema.names
    days = more.splits("bottled")
    start = datetime.datetime(2020, 1, 1)
    for group in range(40):
        assert len({days[start + datetime.timedelta(days=i)] for i in range(group, 400, 40)}) == 1


def test_by_time_the_latest_rows_are_the_test(tmp_path: Path) -> None:
    rows = wine(100)
    random.Random(1).shuffle(rows)
    path = write_csv(tmp_path / "wine.csv", rows)
    collected = run(
        tmp_path / "out",
        type="csv",
        path=path,
        label="quality",
        ignore=("alcohol",),
        split={"by": "time", "column": "bottled", "test": 0.3, "validation": 0.1},
    )
    assert collected.manifest.counts == {"train": 60, "validation": 10, "test": 30}
    assert [column.name for column in collected.manifest.columns] == ["colour", "organic", "zip"]


def test_several_label_columns_are_multilabel(tmp_path: Path) -> None:
    rows = [[str(i % 7), str(i % 2), str(int(i % 3 == 0))] for i in range(100)]
    rows = [[f"{i}.5", a, b] for i, (_, a, b) in enumerate(rows)]
    path = write_csv(tmp_path / "tags.csv", rows, ["x", "even", "third"])
    collected = run(tmp_path / "out", type="csv", path=path, label=("even", "third"))
    assert (collected.manifest.task, collected.manifest.classes) == ("multilabel", ("even", "third"))
    for row in collected.development.to_pylist():
        i = int(row["x"])
        assert row["__label__"] == [float(i % 2), float(i % 3 == 0)]


def test_odd_columns_are_found_or_refused(tmp_path: Path) -> None:
    rows = [[str(i), "1", str(i % 7 / 2), str(i % 7 / 2), f"name {i}", "ab"[i % 2]] for i in range(200)]
    path = write_csv(tmp_path / "odd.csv", rows, ["row", "one", "a", "b", "name", "y"])
    collected = run(tmp_path / "out", type="csv", path=path, label="y")
    found = {finding["check"]: finding["text"] for finding in collected.report["findings"]}
    assert "columns one have one value only" in found["constant_columns"]
    assert "a = b" in found["duplicate_columns"]
    assert "columns row, name seem to name or number the rows" in found["identifier_columns"]
    with pytest.raises(UserError, match="constant_columns: columns one"):
        run(tmp_path / "strict", type="csv", path=path, label="y", checks={"constant_columns": "error"})


def test_repeated_rows_fall_into_one_split_and_contradictions_are_found(tmp_path: Path) -> None:
    rows = [[f"{i}.5", "ab"[i % 2]] for i in range(200)]
    path = write_csv(tmp_path / "t.csv", [*rows, *rows[:50], ["0.5", "b"], ["1.50", "b"]], ["x", "y"])
    collected = run(tmp_path / "out", type="csv", path=path, label="y")
    found = {finding["check"]: finding for finding in collected.report["findings"]}
    assert found.keys() == {"duplicates", "conflicting_labels"}
    assert found["duplicates"]["count"] == 52
    assert found["conflicting_labels"]["count"] == 1
    assert "t.csv:2 = t.csv:" in found["conflicting_labels"]["text"]


def test_spaces_around_values_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(
        "x, c, y\n" + "".join(f"{i}, {'uv'[i % 2]} , {'ab'[i % 2]}\n?, ?, a\n" for i in range(50))
    )
    collected = run(tmp_path / "out", type="csv", path=str(tmp_path / "t.csv"), label="y")
    assert [(column.name, column.type) for column in collected.manifest.columns] == [("x", "number"), ("c", "category")]
    tables = (collected.development, collected.test)
    assert {value for table in tables for value in table.column("c").to_pylist()} == {"u", "v", None}


def test_groups_of_numbers_stay_when_a_named_group_is_added(tmp_path: Path) -> None:
    rows = [[f"{i}.5", "ab"[i % 2], str(i % 30)] for i in range(120)]
    keys: dict[str, Any] = {"label": "y", "split": {"by": "group", "column": "g"}}
    few = run(tmp_path / "0", type="csv", path=write_csv(tmp_path / "few.csv", rows, ["x", "y", "g"]), **keys)
    rows.append(["1000.5", "a", "named"])
    more = run(tmp_path / "1", type="csv", path=write_csv(tmp_path / "more.csv", rows, ["x", "y", "g"]), **keys)
    assert few.splits("__id__").items() <= more.splits("__id__").items()


def test_times_that_are_no_dates_are_refused(tmp_path: Path) -> None:
    rows = [[f"{i}.5", "ab"[i % 2], f"{i % 28 + 1}/12/2020"] for i in range(60)]
    path = write_csv(tmp_path / "t.csv", rows, ["x", "y", "day"])
    with pytest.raises(UserError, match=r"t\.csv:2: column day: expected a date as in ISO 8601.*Received: '1/12/2020'"):
        run(tmp_path / "out", type="csv", path=path, label="y", split={"by": "time", "column": "day"})


def broken(text: str | bytes, message: str, **keys: Any) -> Any:
    return pytest.param(text if isinstance(text, bytes) else text.encode(), keys, message)


ROWS = "".join(f"{i}.5,{'ab'[i % 2]}\n" for i in range(50))


@pytest.mark.parametrize(
    ("content", "keys", "message"),
    [
        broken("", r"t\.csv: the file is empty"),
        broken("x,y\n", r"expected rows after the header. Received: none"),
        broken("x;y\n1;a\n", r"It looks like a semicolon: set `separator: ';'`"),
        broken("x,y\n1,a\n2,b,c\n3\n", r"(?s)t\.csv:3: expected 2 values, as .* Received: 3.*t\.csv:4:.*: 1"),
        broken(b"x,y\n1,a\n2,caf\xe9\n", r"t\.csv:3: expected UTF-8\. Received: byte 0xe9 at place 6"),
        broken("x,label\n1,a\n", r"data\.label: .* has no column 'y'\. Its columns: x, label"),
        broken("x,Y\n1,a\n", r"has no column 'y'\. Did you mean `Y`\?"),
        broken("x,x,y\n1,1,a\n", r"t\.csv:1: two columns are named 'x'"),
        broken(f"x,y\n{ROWS}7,\n", r"1 of 51 examples have no label \(t\.csv:52\)"),
        broken("x,y\n1,a\n2,a\n3,a\n", r"expected at least two different labels\. Received: only a, in all 3"),
        broken("x,y\n1,a\n2,b\n", r"data\.split: expected (examples in every split|every class in train)"),
        broken(f"x,y\n{ROWS}oops,a\n", r"t\.csv:52: column x: .* number.* Received: 'oops'", columns={"x": "number"}),
        broken(f"x,y\n{ROWS}", r"labels for regression\. Received: y with 2 different labels", task="regression"),
        broken("x,y,z\n1,1,2\n0,1,2\n0,7,2\n", r"t\.csv:4: column y: expected 0 or 1.*'7'", label=("x", "y")),
        broken(f"x,y\n{ROWS}", r"no column is left to learn from", ignore=("x",)),
    ],
)  # fmt: skip
def test_mistakes_in_a_csv_file_are_named_with_their_line(
    tmp_path: Path, content: bytes, keys: dict[str, Any], message: str
) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(UserError, match=message):
        run(tmp_path / "out", **{"type": "csv", "path": str(tmp_path / "t.csv"), "label": "y"} | keys)


def test_ragged_rows_are_skipped_and_counted_if_the_recipe_says_so(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"x,y\n{ROWS}1,2,3\n")
    collected = run(tmp_path / "out", type="csv", path=str(tmp_path / "t.csv"), label="y", checks={"corrupt": "skip"})
    assert sum(collected.manifest.counts.values()) == 50
    assert collected.report["corrupt"] == ["t.csv:52: expected 2 values, as in the header. Received: 3"]


def test_file_that_is_no_parquet_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_text("x,y\n1,2\n")
    with pytest.raises(UserError, match=r"t\.parquet: expected a Parquet file"):
        run(tmp_path / "out", type="parquet", path=str(tmp_path / "t.parquet"), label="y")
