import numpy as np
import pytest
import tensorflow as tf

from pipeline.augment import augmenter
from pipeline.augment.rows import CHUNK, spread
from pipeline.errors import UserError
from pipeline.recipe.augment import AugmentConfig, FeatureNoise, SwapNoise

COUNT = 2000
NOISE = FeatureNoise(type="feature_noise", stddev=0.5)
SWAP = SwapNoise(type="swap_noise", fraction=0.3)


def table() -> dict[str, np.ndarray]:
    """Two measurements of different scale and a flag; two categories whose columns share no value."""
    generator = np.random.default_rng(0)
    numbers = generator.normal((5.0, -100.0, 0.0), (1.0, 40.0, 1.0), (COUNT, 3)).astype(np.float32)
    numbers[:, 2] = numbers[:, 2] > 0
    categories = np.stack([generator.integers(0, 5, COUNT), generator.integers(5, 9, COUNT)], axis=1)
    return {"numbers": numbers, "categories": categories.astype(np.int32)}


def changed(
    *transforms: AugmentConfig, seed: int = 0, epoch: int = 0, arrays: dict[str, np.ndarray] | None = None
) -> dict[str, np.ndarray]:
    rows = table()
    augment = augmenter(transforms, arrays or rows, seed=seed)
    assert augment is not None
    result = augment({name: tf.constant(values) for name, values in rows.items()}, tf.range(COUNT), tf.constant(epoch))
    return {name: tensor.numpy() for name, tensor in result.items()}


def test_noise_has_its_share_of_the_standard_deviation_of_each_column() -> None:
    added = changed(NOISE)["numbers"] - table()["numbers"]
    np.testing.assert_allclose(added[:, :2].std(axis=0), 0.5 * table()["numbers"][:, :2].std(axis=0), rtol=0.05)
    assert abs(added[:, 0].mean()) < 0.05
    assert abs(np.corrcoef(added[:, 0], added[:, 1])[0, 1]) < 0.1


def test_noise_leaves_flags_and_categories_alone() -> None:
    after, before = changed(NOISE), table()
    np.testing.assert_array_equal(after["numbers"][:, 2], before["numbers"][:, 2])
    np.testing.assert_array_equal(after["categories"], before["categories"])


def test_noise_is_scaled_by_the_training_split_and_not_by_the_batch() -> None:
    wider = {**table(), "numbers": table()["numbers"] * np.float32(10)}
    wide, narrow = (
        (changed(NOISE, arrays=arrays)["numbers"] - table()["numbers"])[:, :2] for arrays in (wider, table())
    )
    np.testing.assert_allclose(wide, 10 * narrow, rtol=1e-2, atol=1e-3)


def test_spread_is_the_standard_deviation_whatever_the_number_of_chunks() -> None:
    numbers = np.random.default_rng(0).normal(50.0, 3.0, (CHUNK + 7, 2)).astype(np.float32)
    np.testing.assert_allclose(spread(numbers), numbers.std(axis=0, dtype=np.float64), rtol=1e-6)


@pytest.mark.parametrize(
    "arrays", [{"numbers": np.eye(4, dtype=np.float32)}, {"categories": np.ones((4, 2), np.int32)}]
)
def test_noise_on_a_table_without_measurements_is_refused(arrays: dict[str, np.ndarray]) -> None:
    with pytest.raises(UserError, match="`feature_noise` has no effect: the table has no column of numbers"):
        augmenter((NOISE,), arrays, seed=0)


def test_swapped_values_come_from_their_own_column_and_from_many_rows() -> None:
    before, after = table(), changed(SWAP)
    for name in ("numbers", "categories"):
        for column in range(2):
            old, new = before[name][:, column], after[name][:, column]
            assert set(new) <= set(old)
    replaced = after["numbers"][:, :2] != before["numbers"][:, :2]
    assert replaced.mean() == pytest.approx(0.3, abs=0.03)
    assert abs(np.corrcoef(replaced[:, 0], replaced[:, 1])[0, 1]) < 0.1
    donated = after["numbers"][:, 0][replaced[:, 0]]
    assert len(np.unique(donated)) > 0.8 * len(donated)


def test_values_of_one_row_come_from_different_rows_of_the_whole_split() -> None:
    row = {name: values[:1] for name, values in table().items()}
    augment = augmenter((SwapNoise(type="swap_noise", fraction=0.999),), table(), seed=0)
    assert augment is not None
    donors = []
    for index in range(40):
        rows = {name: tf.constant(values) for name, values in row.items()}
        numbers = augment(rows, tf.constant([index]), tf.constant(0))["numbers"].numpy()[0]
        donors.append([np.flatnonzero(table()["numbers"][:, column] == numbers[column])[0] for column in range(2)])
    first, second = np.transpose(donors)
    assert (first != second).mean() > 0.9
    assert len(set(first)) > 35
    assert max(first) > 0.8 * COUNT


def test_swapped_values_keep_the_distribution_of_a_column() -> None:
    before, after = table()["numbers"][:, 1], changed(SWAP)["numbers"][:, 1]
    np.testing.assert_allclose(np.percentile(after, [10, 50, 90]), np.percentile(before, [10, 50, 90]), atol=4.0)


@pytest.mark.parametrize("transform", [NOISE, SWAP], ids=lambda each: each.type)
def test_rows_depend_on_seed_and_epoch_and_only_on_them(transform: AugmentConfig) -> None:
    first = changed(transform)["numbers"]
    np.testing.assert_array_equal(first, changed(transform)["numbers"])
    assert (first != changed(transform, seed=1)["numbers"]).any()
    assert (first != changed(transform, epoch=1)["numbers"]).any()


@pytest.mark.parametrize("transform", [NOISE, SWAP], ids=lambda each: each.type)
def test_rows_that_are_not_chosen_keep_every_value(transform: AugmentConfig) -> None:
    rarely = type(transform).model_validate({**transform.model_dump(), "probability": 0.25})
    share = (changed(rarely)["numbers"] != table()["numbers"]).any(axis=1).mean()
    # A row has two measurements; with none of them swapped it stays as it was.
    assert share == pytest.approx(0.25 if transform is NOISE else 0.25 * (1 - 0.7**2), abs=0.04)


@pytest.mark.slow
def test_rows_are_the_same_eagerly_and_inside_map() -> None:
    augment = augmenter((NOISE, SWAP), table(), seed=3)
    assert augment is not None

    def at(epoch: tf.Tensor) -> dict[str, tf.Tensor]:
        rows = {name: tf.constant(values) for name, values in table().items()}
        return augment(rows, tf.range(COUNT, dtype=tf.int64), epoch)

    for epoch, mapped in enumerate(tf.data.Dataset.range(3).map(at, num_parallel_calls=2).as_numpy_iterator()):
        eager = at(tf.constant(epoch, tf.int64))
        for name in ("numbers", "categories"):
            np.testing.assert_array_equal(mapped[name], eager[name])
