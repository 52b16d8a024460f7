"""Groups of examples, and the ones that a model is worse on."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pipeline.comparison.groups import group_examples, ranges
from pipeline.comparison.intervals import estimates
from pipeline.comparison.predictions import TestPredictions
from pipeline.comparison.slices import NUM_RESAMPLES, estimate_slices, in_words, score_slices
from pipeline.manifest import LABEL
from pipeline.metrics import Predicted, compute
from pipeline.serving.description import Column
from pipeline.serving.signature import Signature
from tests.comparison.examples import predicted


def answers(right: np.ndarray, **groups: np.ndarray) -> TestPredictions:
    """Answers to a question of two classes that are right where said."""
    labels = np.arange(len(right)) % 2
    outputs = np.where(right == 1, labels, 1 - labels)[:, None].astype(float)
    ids = tuple(f"{i:04d}" for i in range(len(right)))
    return TestPredictions(ids, Predicted("binary", labels, outputs), ("a", "b"), ("accuracy",), pd.DataFrame(groups))


def test_a_planted_bad_group_is_found_and_is_first() -> None:
    generator = np.random.Generator(np.random.PCG64(0))
    light = generator.choice(["dark", "bright"], size=400, p=[0.2, 0.8])
    site = generator.choice(["north", "south", "east"], size=400)
    right = (generator.random(400) < np.where(light == "dark", 0.7, 0.95)).astype(int)
    table = score_slices(answers(right, brightness=light, site=site))
    assert (table["slice"][0], table["value"][0]) == ("brightness", "dark")
    assert table["worse"].tolist() == [True] + [False] * 4
    assert table["score"][0] == right[light == "dark"].mean()
    assert table["low"][0] < table["score"][0] < table["high"][0] < table["rest"][0]
    assert in_words(table[table["worse"]]).startswith("brightness dark (accuracy 0.")


@pytest.mark.slow
def test_the_worst_of_many_groups_that_are_alike_is_not_taken_for_bad() -> None:
    generator = np.random.Generator(np.random.PCG64(1))
    found = 0
    for _ in range(60):
        right = (generator.random(300) < 0.9).astype(int)
        found += bool(score_slices(answers(right, site=generator.integers(0, 20, 300).astype(str)))["worse"].any())
    assert found <= 6


def test_values_are_compared_by_their_error() -> None:
    of = predicted("regression", 200)
    outputs = of.outputs.copy()
    outputs[:40] += 3
    groups = pd.DataFrame({"batch": ["first"] * 40 + ["later"] * 160})
    test = TestPredictions(
        tuple(map(str, range(200))), Predicted("regression", of.labels, outputs), (), ("mae",), groups
    )
    table = score_slices(test)
    assert table.loc[table["worse"], "value"].tolist() == ["first"]
    assert set(table["metric"]) == {"mae"}


def test_every_metric_of_a_group_is_that_of_its_examples_alone() -> None:
    of, names = predicted("multiclass", 240), ("calibration_error", "log_loss", "accuracy", "roc_auc")
    groups = pd.DataFrame({"site": ["north"] * 160 + ["south"] * 80, "class": of.labels.astype(str)})
    table = estimate_slices(TestPredictions(tuple(map(str, range(240))), of, tuple("abcd"), names, groups), seed=5)
    assert table["metric"].tolist() == [*names] * (len(table) // len(names))
    north = Predicted(of.task, of.labels[:160], of.outputs[:160])
    expected = estimates(names, north, seed=5, num_resamples=NUM_RESAMPLES)
    rows = {row.metric: (row.score, row.low, row.high) for row in table[table["value"] == "north"].itertuples()}
    for name in ("accuracy", "log_loss", "roc_auc"):
        assert rows[name] == pytest.approx(tuple(vars(expected[name]).values()))
    assert rows["calibration_error"] == pytest.approx(
        (compute(names, north)["calibration_error"], np.nan, np.nan), nan_ok=True
    )
    few = table[(table["value"] == "south")].set_index("metric")["low"]
    assert few.notna().to_dict() == {name: name == "accuracy" for name in names}
    of_one_class = table[(table["slice"] == "class") & (table["metric"] == "roc_auc")]
    assert len(of_one_class) == 4
    assert of_one_class["score"].isna().all()


def test_tiny_groups_are_not_judged() -> None:
    table = score_slices(answers(np.array([0] * 4 + [1] * 40), site=np.array(["few"] * 4 + ["many"] * 40)))
    assert table.empty


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([1.0, 2.0, 3.0, 4.0], ["below 1.75", "1.75 to 2.5", "2.5 to 3.25", "3.25 or more"]),
        ([0.0, 0.0, 0.0, 9.0], ["0 to 2.25", "0 to 2.25", "0 to 2.25", "2.25 or more"]),
        ([5.0, float("nan"), 5.0, 5.0], ["5 or more", "missing", "5 or more", "5 or more"]),
        ([float("nan")], ["missing"]),
    ],
)
def test_numbers_are_cut_into_ranges(values: list[float], names: list[str]) -> None:
    assert ranges(np.array(values)) == names


def test_groups_of_a_table_are_those_of_its_columns_and_of_the_label() -> None:
    columns = (
        Column("size", "number"),
        Column("site", "category"),
        Column("class", "category"),
        Column("same", "category"),
    )
    signature = Signature(kind="table", task="binary", label=("ok",), classes=("no", "yes"), columns=columns)
    examples = pa.table(
        {
            "size": [1.0, None, 3.0, 4.0],
            "site": ["north", None, "south", "north"],
            "class": ["x", "y", "x", "y"],
            "same": ["a"] * 4,
            LABEL: [0, 1, 1, 0],
        }
    )
    groups = group_examples(examples, signature)
    assert list(groups) == ["class", "size", "site"]
    assert groups["class"].tolist() == ["no", "yes", "yes", "no"]
    assert groups["size"].tolist() == ["below 2", "missing", "3 to 3.5", "3.5 or more"]
    assert groups["site"].tolist() == ["north", "missing", "south", "north"]
