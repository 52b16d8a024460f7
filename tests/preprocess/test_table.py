import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.journal import read_journal
from pipeline.serving.compose import load_model
from pipeline.serving.description import Column
from pipeline.serving.signature import Signature
from tests.preprocess.conftest import Prepare

AGE, SEX, CITY = Column("age", "number"), Column("smoker", "boolean"), Column("city", "category")


def table(ages: list[Any], smoker: list[Any] | None = None, cities: list[Any] | None = None) -> dict[str, Any]:
    return {
        "age": pa.array(ages, pa.float64()),
        "smoker": pa.array(smoker or [True] * len(ages), pa.bool_()),
        "city": pa.array(cities or ["Rome"] * len(ages), pa.string()),
    }


@pytest.mark.parametrize(("method", "expected"), [("median", 2), ("mean", 4), ("most_frequent", 1), ("zero", 0)])
def test_missing_numbers_are_imputed_from_the_training_split(prepare: Prepare, method: str, expected: float) -> None:
    train, validation = table([1, 1, None, 3, 11]), table([None, 100, 100])
    out, _ = prepare("table", train, validation, [AGE], impute=method)
    assert np.load(out / "validation/numbers.npy").tolist() == [[expected, 1], [100, 0], [100, 0]]


def test_indicators_are_added_for_columns_that_lack_values_in_training_alone(prepare: Prepare) -> None:
    train = table([1, None, 3], smoker=[True, False, True])
    out, _ = prepare("table", train, table([2], smoker=[None]), [AGE, SEX])
    assert np.load(out / "train/numbers.npy").tolist() == [[1, 1, 0], [2, 0, 1], [3, 1, 0]]
    assert np.load(out / "validation/numbers.npy").tolist() == [[2, 1, 0]]
    assert Signature.load(out / "signature.json").shapes == (("numbers", (3,)),)


def test_indicators_can_be_left_out(prepare: Prepare) -> None:
    out, _ = prepare("table", table([1, None]), table([2]), [AGE], missing_indicator=False)
    assert np.load(out / "train/numbers.npy").shape == (2, 1)


def test_a_column_without_any_value_becomes_zero_and_is_named(prepare: Prepare) -> None:
    out, _ = prepare("table", table([None, None]), table([7]), [AGE])
    assert np.load(out / "train/numbers.npy").tolist() == [[0, 1], [0, 1]]
    assert any("`age` has no value" in r.get("text", "") for r in read_journal(out / "journal.jsonl"))


def test_categories_are_indexed_by_frequency_then_name_with_missing_and_unknown_apart(prepare: Prepare) -> None:
    train = table([1] * 6, cities=["Rome", "Oslo", "Oslo", "Bern", None, "[UNK]"])
    out, _ = prepare("table", train, table([1] * 3, cities=["Paris", "", "Oslo"]), [AGE, CITY])
    assert np.load(out / "train/categories.npy")[:, 0].tolist() == [4, 2, 2, 3, 0, 5]
    assert np.load(out / "validation/categories.npy")[:, 0].tolist() == [1, 0, 2]
    assert Signature.load(out / "signature.json").category_sizes == (6,)


def test_only_the_most_frequent_categories_are_kept(prepare: Prepare) -> None:
    train = table([1] * 6, cities=["a", "b", "b", "c", "c", "c"])
    out, _ = prepare("table", train, table([1]), [CITY], max_categories=2)
    assert np.load(out / "train/categories.npy")[:, 0].tolist() == [1, 3, 3, 2, 2, 2]
    facts = json.loads((out / "artifacts/preprocess.json").read_text())
    assert facts["fitted"]["categories"]["city"]["most_frequent"] == {"c": 3, "b": 2}


def test_hashing_needs_no_vocabulary_and_keeps_missing_apart(prepare: Prepare) -> None:
    train = table([1] * 4, cities=["Rome", None, "Oslo", "Rome"])
    out, _ = prepare(
        "table", train, table([1] * 2, cities=["Paris", "Rome"]), [CITY], categories="hashing", max_categories=50
    )
    indices = np.load(out / "train/categories.npy")[:, 0]
    assert indices[1] == 0
    assert indices[0] == indices[3] == np.load(out / "validation/categories.npy")[1, 0] > 0
    assert 0 < np.load(out / "validation/categories.npy")[0, 0] < 50
    assert Signature.load(out / "signature.json").category_sizes == (50,)


@pytest.mark.parametrize(
    ("method", "expected"), [("standard", [-1, 1, 3]), ("unit", [0, 1, 2]), ("none", [10, 20, 30])]
)
def test_normalisation_is_fitted_on_the_training_split(prepare: Prepare, method: str, expected: list[float]) -> None:
    out, _ = prepare("table", table([10, 20]), table([30]), [AGE], normalize=method)
    normalize = load_model(out / "normalize.keras")
    numbers = np.asarray([[10], [20], [30]], dtype="float32")
    np.testing.assert_allclose(normalize({"numbers": numbers})["numbers"][:, 0], expected, rtol=1e-6)


@pytest.mark.parametrize("unit", [1e-12, 1e25])
def test_columns_in_any_unit_are_standardised(prepare: Prepare, unit: float) -> None:
    out, _ = prepare("table", table([unit, 3 * unit]), table([5 * unit]), [AGE])
    prepared = {"numbers": np.load(out / "train/numbers.npy")}
    np.testing.assert_allclose(load_model(out / "normalize.keras")(prepared)["numbers"], [[-1], [1]], rtol=1e-5)


@pytest.mark.parametrize("method", ["standard", "unit"])
def test_indicators_and_constant_columns_are_not_scaled(prepare: Prepare, method: str) -> None:
    train = table([5, 5, None, 5], cities=["a", "b", "a", "b"])
    out, _ = prepare("table", train, table([5]), [AGE, CITY], normalize=method)
    prepared = {name: np.load(out / f"train/{name}.npy") for name in ("numbers", "categories")}
    normalized = load_model(out / "normalize.keras")(prepared)
    assert normalized["numbers"].numpy().tolist() == [[0, 0], [0, 0], [0, 1], [0, 0]]
    assert normalized["categories"].dtype == "int32"
    np.testing.assert_array_equal(normalized["categories"], prepared["categories"])
