import datetime
import io
import json
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pytest

from pipeline.serving.description import Column
from pipeline.serving.raw import RawInputError, raw_tensors
from pipeline.serving.signature import Signature

AGE, SMOKER, SINCE, CITY = (
    Column("age", "number"),
    Column("smoker", "boolean"),
    Column("since", "date"),
    Column("city", "category"),
)


def signature(*columns: Column, kind: str = "table") -> Signature:
    return Signature(kind=kind, task="binary", label=("label",), classes=("no", "yes"), columns=columns)  # type: ignore[arg-type]


def numbers(kind: str, *values: Any) -> list[float]:
    column = Column("x", kind)  # type: ignore[arg-type]
    return raw_tensors(pd.DataFrame({"x": list(values)}), signature(column))["numbers"][:, 0].tolist()


def categories(values: Any) -> list[str]:
    frame = pd.DataFrame({"x": values})
    return raw_tensors(frame, signature(Column("x", "category")))["categories"][:, 0].tolist()


def test_csv_through_arrow_gives_the_tensors_of_the_same_rows_as_json() -> None:
    csv = b"age,smoker,since,city,grade\n41.5,true,2024-05-31,Rome,3\n,false,2024-06-01 12:00:00,,2\n7,,,Oslo,\n"
    types = {"since": pa.timestamp("us"), "grade": pa.int64()}
    options = pa.csv.ConvertOptions(column_types=types, strings_can_be_null=True)
    table = pa.csv.read_csv(io.BytesIO(csv), convert_options=options)
    rows = """[
      {"age": 41.5, "smoker": true, "since": "2024-05-31", "city": "Rome", "grade": 3},
      {"age": null, "smoker": false, "since": "2024-06-01T12:00:00", "city": null, "grade": 2},
      {"age": 7, "smoker": null, "since": null, "city": "Oslo", "grade": null}
    ]"""
    of = signature(CITY, AGE, SMOKER, Column("grade", "category"), SINCE)
    stored, served = raw_tensors(table, of), raw_tensors(pd.DataFrame(json.loads(rows)), of)
    np.testing.assert_array_equal(stored["numbers"], served["numbers"])
    np.testing.assert_array_equal(stored["categories"], served["categories"])
    assert stored["categories"].tolist() == [["Rome", "3"], ["", "2"], ["Oslo", ""]]
    np.testing.assert_array_equal(
        stored["numbers"], np.array([[41.5, 1, 19874], [np.nan, 0, 19875.5], [7, np.nan, np.nan]], "float32")
    )


def test_record_batches_and_plain_columns_are_read_alike() -> None:
    columns = {"age": [1, 2], "extra": ["a", "b"]}
    for frame in (columns, pa.table(columns), pa.RecordBatch.from_pydict(columns), pd.DataFrame(columns)):
        tensors = raw_tensors(frame, signature(AGE))
        assert list(tensors) == ["numbers"]
        assert tensors["numbers"].dtype == np.float32
        assert tensors["numbers"].tolist() == [[1], [2]]


def test_columns_are_ordered_by_the_signature() -> None:
    frame = pd.DataFrame({"b": [1], "a": [2]})
    columns = signature(Column("a", "number"), Column("b", "number"))
    assert raw_tensors(frame, columns)["numbers"].tolist() == [[2, 1]]


def test_whole_numbers_are_one_category_whatever_their_type() -> None:
    assert categories([3, 4]) == categories([3.0, 4.0]) == categories(["3", "4"]) == ["3", "4"]
    assert categories([3.0, None]) == ["3", ""]
    assert categories([2.5]) == ["2.5"]


def test_booleans_and_dates_have_one_text_as_categories() -> None:
    assert categories([True, False]) == ["true", "false"]
    assert categories([datetime.date(2024, 5, 31)]) == ["2024-05-31"]


def test_missing_values_of_every_library_are_missing() -> None:
    assert categories(pd.Series([None, np.nan, pd.NA, pd.NaT, ""], dtype=object)) == [""] * 5
    assert np.isnan(numbers("number", None, np.nan, pd.NA, "")).all()
    assert np.isnan(numbers("boolean", None, "")).all()
    assert np.isnan(numbers("date", None, pd.NaT, "")).all()


def test_numbers_and_booleans_may_come_as_text() -> None:
    assert numbers("number", "1.5", 2, "-1e3") == [1.5, 2, -1000]
    assert numbers("boolean", "True", "no", 1, 0.0, False) == [1, 0, 1, 0, 0]


def test_dates_are_days_in_utc() -> None:
    noon = datetime.datetime(1970, 1, 2, 12)
    abroad = "1970-01-02T14:00:00+02:00"
    assert numbers("date", noon, abroad, np.datetime64("1970-01-02"), "1969-12-31") == [1.5, 1.5, 1, -1]


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        (AGE, [1, "old"], r"row 1, column `age`: expected a number. Received: 'old' \(str\)"),
        (AGE, [[1]], r"row 0, column `age`: expected a number. Received: \[1\] \(list\)"),
        (AGE, [1.0, np.inf], "row 1, column `age`: expected a finite number"),
        (AGE, [1e300], "row 0, column `age`: expected a finite number"),
        (SMOKER, [True, 2], "row 1, column `smoker`: expected true or false. Received: 2"),
        (SINCE, ["May"], "row 0, column `since`: expected a date, such as 2024-05-31"),
        (SINCE, [19000], "row 0, column `since`: expected a date, such as 2024-05-31"),
        (CITY, [b"Rome"], "row 0, column `city`: expected a category"),
    ],
)
def test_a_value_of_another_type_is_named_with_its_place(column: Column, values: list[Any], message: str) -> None:
    with pytest.raises(RawInputError, match=message):
        raw_tensors({column.name: values}, signature(column))


def test_a_missing_column_is_named_with_the_nearest_one() -> None:
    with pytest.raises(
        RawInputError, match=r"expected a column `age`. Received: agee, b. Did you mean to rename `agee`\?"
    ):
        raw_tensors({"agee": [1], "b": [2]}, signature(AGE))


def test_texts_stay_as_they_are_and_a_missing_one_is_refused() -> None:
    text = signature(kind="text")
    assert raw_tensors(pa.table({"text": ["Ä\n", ""]}), text)["text"].tolist() == ["Ä\n", ""]
    with pytest.raises(RawInputError, match="row 0, column `text`: expected a value"):
        raw_tensors({"text": [None]}, text)


def test_images_are_bytes_of_a_known_format() -> None:
    image = signature(kind="image")
    png = b"\x89PNG..."
    assert raw_tensors(pa.table({"image": [png]}), image)["image"].tolist() == [png]
    assert raw_tensors({"image": [bytearray(png)]}, image)["image"].tolist() == [png]
    with pytest.raises(
        RawInputError, match="row 1, column `image`: expected the bytes of a png, jpeg, gif or bmp file"
    ):
        raw_tensors({"image": [png, b"%PDF"]}, image)


def test_no_rows_give_empty_tensors() -> None:
    tensors = raw_tensors(pd.DataFrame({"age": [], "city": []}), signature(AGE, CITY))
    assert tensors["numbers"].shape == (0, 1)
    assert tensors["categories"].shape == (0, 1)
