import numpy as np
import pytest

from pipeline.collect.labels import Labels
from pipeline.collect.splits import TEST, TRAIN, VALIDATION, assign_splits
from pipeline.errors import UserError
from pipeline.recipe.data import SplitConfig

IDS = np.array([f"{i:032x}" for i in range(2000)])
CLASSES = Labels("multiclass", ("a", "b", "c"), (np.arange(2000) % 20 % 3).astype(np.int32), "")


def split(
    ids: np.ndarray = IDS, labels: Labels = CLASSES, keys: np.ndarray | None = None, **section: object
) -> np.ndarray:
    return assign_splits(SplitConfig.model_validate(section), ids, labels, keys, lambda row: f"row {row}")


def test_hash_gives_the_shares_asked_for() -> None:
    shares = np.bincount(split(validation=0.15, test=0.2)) / len(IDS)
    assert shares == pytest.approx([0.65, 0.15, 0.2], abs=0.03)


def test_another_seed_gives_another_split_and_the_same_seed_the_same() -> None:
    assert np.array_equal(split(seed=1), split(seed=1))
    assert 0.2 < np.mean(split(seed=1) != split(seed=2)) < 0.8


def test_another_share_of_validation_leaves_the_test_as_it_is() -> None:
    assert np.array_equal(split(validation=0.1) == TEST, split(validation=0.4) == TEST)


def test_stratified_gives_every_class_the_same_shares() -> None:
    splits = split(by="stratified", validation=0.1, test=0.3)
    for index in range(3):
        shares = np.bincount(splits[CLASSES.values == index]) / np.sum(CLASSES.values == index)
        assert shares == pytest.approx([0.6, 0.1, 0.3], abs=0.005)


def test_stratified_keeps_equal_contents_together() -> None:
    ids = np.concatenate([IDS[:100]] * 3)
    labels = Labels("binary", ("a", "b"), np.tile((np.arange(100) % 2).astype(np.int32), 3), "")
    splits = split(ids, labels, by="stratified").reshape(3, 100)
    assert (splits == splits[0]).all()


def test_rows_of_one_time_stay_together() -> None:
    times = np.repeat(np.arange("2020-01-01", "2020-01-11", dtype="datetime64[D]"), 200)
    splits = split(keys=times, by="time", column="day", validation=0.1, test=0.15)
    assert splits.reshape(10, 200).tolist() == [[s] * 200 for s in [TRAIN] * 7 + [VALIDATION] + [TEST] * 2]


def test_class_that_train_lacks_is_refused() -> None:
    times = np.arange(2000, dtype=np.float64)
    labels = Labels("binary", ("early", "late"), (times >= 1700).astype(np.int32), "")
    with pytest.raises(UserError, match=r"expected every class in train\. Received: 1 only in .*: late \(300\)"):
        split(labels=labels, keys=times, by="time", column="t")


def test_class_with_too_few_examples_to_stratify_is_refused() -> None:
    labels = Labels("multiclass", ("a", "b", "c"), np.array([0] * 1000 + [1] * 998 + [2] * 2, np.int32), "")
    with pytest.raises(UserError, match=r"at least 3 different examples of each class\. Received: 2 of class c"):
        split(labels=labels, by="stratified")


def test_values_cannot_be_stratified() -> None:
    with pytest.raises(UserError, match=r"Received: a regression task\. Use `by: hash`"):
        split(labels=Labels("regression", (), np.zeros(2000, np.float32), ""), by="stratified")


@pytest.mark.parametrize(
    ("keys", "section", "message"),
    [
        (np.array(["2020", "NaT"], "datetime64[s]"), {"by": "time"}, r"row 1: expected a value in column c"),
        (np.array(["a", None], object), {"by": "group"}, r"row 1: expected a value in column c"),
        (np.array(["train", "holdout"], object), {"by": "source"}, r"row 1: expected the name of a split.*'holdout'"),
        (np.array(["train", "valid"], object), {"by": "source"}, r"gives no test split \(only train, valid\)"),
        (None, {"by": "source"}, r"nothing to split by source"),
        (np.array(["a", "a"], object), {"by": "group"}, r"expected examples in every split"),
    ],
)
def test_keys_that_do_not_split_are_refused(keys: np.ndarray | None, section: dict[str, str], message: str) -> None:
    labels = Labels("binary", ("a", "b"), np.array([0, 1], np.int32), "")
    with pytest.raises(UserError, match=message):
        split(IDS[:2], labels, keys, **section, column="c")
