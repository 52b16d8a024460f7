import numpy as np
import pytest
import tensorflow as tf

from pipeline.sampling import Places, balanced, natural

LABELS = np.repeat([3, 0, 7], [5, 23, 40]).astype(np.int32)
"""Classes of 5, 23 and 40 examples; not all class indices occur."""


def epoch_of(seed: int = 1, epoch: int = 0, label: np.ndarray = LABELS) -> Places:
    order = balanced(label, seed=seed)
    places = order.at(tf.constant(epoch, tf.int64), tf.range(order.num_draws, dtype=tf.int64))
    return Places(*(each.numpy() for each in places))


def test_an_epoch_holds_every_class_as_often_as_the_largest_has_examples() -> None:
    classes, counts = np.unique(LABELS[epoch_of().indices], return_counts=True)
    assert classes.tolist() == [0, 3, 7]
    assert counts.tolist() == [40, 40, 40]


def test_every_example_comes_and_none_of_a_class_twice_more_than_another() -> None:
    counts = np.bincount(epoch_of().indices, minlength=len(LABELS))
    for number, (low, high) in {3: (8, 8), 0: (1, 2), 7: (1, 1)}.items():
        of_class = counts[number == LABELS]
        assert (of_class.min(), of_class.max()) == (low, high)


def test_repetitions_count_how_often_an_example_has_come() -> None:
    places = epoch_of()
    pairs = set(zip(places.indices.tolist(), places.repetitions.tolist(), strict=True))
    assert len(pairs) == len(places.indices)
    assert sorted(places.repetitions[places.indices == 0]) == list(range(8))


def test_which_examples_come_once_more_changes_from_epoch_to_epoch() -> None:
    more = [
        set(np.flatnonzero(np.bincount(epoch_of(epoch=epoch).indices, minlength=68)[5:28] == 2)) for epoch in (0, 1)
    ]
    assert len(more[0]) == len(more[1]) == 17
    assert more[0] != more[1]


def test_orders_of_epochs_and_seeds_differ_and_are_repeated() -> None:
    first = epoch_of().indices
    np.testing.assert_array_equal(first, epoch_of().indices)
    assert (first != epoch_of(epoch=1).indices).mean() > 0.5
    assert (first != epoch_of(seed=2).indices).mean() > 0.5


def test_classes_are_mixed_all_along_an_epoch() -> None:
    label = np.repeat([0, 1], [2000, 100]).astype(np.int32)
    rare = label[epoch_of(label=label).indices]
    assert np.abs(rare.reshape(20, -1).mean(axis=1) - 0.5).max() < 0.15


def test_classes_of_one_size_come_once_as_they_do_naturally() -> None:
    label = np.arange(30, dtype=np.int32) % 3
    assert balanced(label, seed=1).num_draws == natural(30, seed=1).num_draws == 30
    np.testing.assert_array_equal(np.sort(epoch_of(label=label).indices), np.arange(30))


@pytest.mark.parametrize("label", [np.zeros(4, np.float32), np.zeros((4, 2), np.int32)])
def test_labels_that_are_no_class_indices_cannot_be_balanced(label: np.ndarray) -> None:
    with pytest.raises(ValueError, match="sampling: expected a class index of each example to balance by"):
        balanced(label, seed=1)
