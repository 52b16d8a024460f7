from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import tensorflow as tf

from pipeline.batches import Batches, read_prepared
from pipeline.errors import UserError
from pipeline.recipe.augment import AugmentConfig, CutMix, Hue, Mixup, Noise, Rotate, SwapNoise, WordDropout

NUM_EXAMPLES, BATCH_SIZE, STEPS = 50, 8, 7
AUGMENT: tuple[AugmentConfig, ...] = (Rotate(type="rotate"), Noise(type="noise"))
MIXUP, CUTMIX = Mixup(type="mixup"), CutMix(type="cutmix")
SWAP, DROPOUT = SwapNoise(type="swap_noise", fraction=0.5), WordDropout(type="word_dropout", fraction=0.5)


def images(count: int = NUM_EXAMPLES) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 6, 5, 1), dtype=np.uint8)


def batches(count: int = NUM_EXAMPLES, **keys: object) -> Batches:
    options = {"batch_size": BATCH_SIZE, "seed": 1} | keys
    return Batches({"image": images(count)}, np.arange(count, dtype=np.int32), **options)  # type: ignore[arg-type]


def assert_same(ours: object, theirs: object) -> None:
    for a, b in zip(tf.nest.flatten(ours), tf.nest.flatten(theirs), strict=True):
        np.testing.assert_array_equal(a, b)


def test_an_epoch_holds_every_example_once_with_its_own_tensors() -> None:
    stored, seen = images(), []
    for step in range(STEPS):
        inputs, label = batches().batch(0, step)
        np.testing.assert_array_equal(inputs["image"], stored[label.numpy()])
        seen += label.numpy().tolist()
    assert sorted(seen) == list(range(NUM_EXAMPLES))


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 1000])
def test_every_epoch_is_a_permutation_whatever_the_number_of_examples(count: int) -> None:
    data = batches(count)
    for epoch in range(3):
        seen = np.concatenate([data.indices(epoch, step) for step in range(data.steps_per_epoch)])
        np.testing.assert_array_equal(np.sort(seen), np.arange(count))


def test_orders_of_epochs_and_seeds_are_unrelated() -> None:
    runs = [batches(5000, batch_size=5000, seed=seed) for seed in (1, 2)]
    orders = np.stack([run.indices(epoch, 0) for run in runs for epoch in range(10)] + [np.arange(5000)])
    scores = np.corrcoef(orders)[np.triu_indices(len(orders), 1)] * np.sqrt(5000)
    # 210 pairs, each a standard normal if the orders are independent.
    assert np.abs(scores).max() < 4.5
    assert scores.std() == pytest.approx(1.0, abs=0.2)


def test_neighbours_in_an_order_are_unrelated() -> None:
    order = batches(5000, batch_size=5000).indices(0, 0)
    assert abs(np.corrcoef(order[1:], order[:-1])[0, 1]) < 4 / np.sqrt(5000)


def test_without_shuffling_examples_come_in_their_own_order() -> None:
    seen = np.concatenate([label for _, label in batches(shuffle=False).dataset(num_steps=2 * STEPS)])
    np.testing.assert_array_equal(seen, np.tile(np.arange(NUM_EXAMPLES), 2))


@pytest.mark.parametrize("memory", [True, False])
@pytest.mark.parametrize("augment", [(), AUGMENT], ids=["plain", "augmented"])
def test_dataset_gives_the_batches_of_its_steps(memory: bool, augment: tuple[AugmentConfig, ...]) -> None:
    data = batches(memory=memory, augment=augment)
    for step, batch in enumerate(data.dataset(num_steps=2 * STEPS + 1)):
        assert_same(batch, data.batch(*divmod(step, STEPS)))


def test_dataset_starts_at_any_step_as_if_it_had_come_there() -> None:
    whole = list(batches(augment=AUGMENT).dataset(num_steps=20).as_numpy_iterator())
    assert_same(list(batches(augment=AUGMENT).dataset(first_step=9, num_steps=11).as_numpy_iterator()), whole[9:])
    assert_same(list(batches(augment=AUGMENT).dataset(first_step=9).take(11).as_numpy_iterator()), whole[9:])


@pytest.mark.parametrize("threads", [1, 8])
def test_threads_play_no_part(threads: int) -> None:
    options = tf.data.Options()
    options.threading.private_threadpool_size = threads
    data = batches(augment=AUGMENT)
    for step, batch in enumerate(data.dataset(num_steps=40).with_options(options)):
        assert_same(batch, data.batch(*divmod(step, STEPS)))


def test_tensorflow_models_only_the_iterators_that_are_to_be() -> None:
    model = tf.data.experimental.get_model_proto
    assert model(iter(batches().dataset(modelled=True))).nodes
    with pytest.raises(tf.errors.NotFoundError):
        model(iter(batches().dataset()))


def test_memory_and_disk_give_the_same_batches() -> None:
    assert_same(list(batches(memory=True).dataset(num_steps=9)), list(batches(memory=False).dataset(num_steps=9)))


def test_the_last_batch_holds_what_is_left_with_its_own_pixels() -> None:
    inputs, label = batches(augment=AUGMENT).batch(0, STEPS - 1)
    assert label.shape == (2,)
    assert inputs["image"].shape == (2, 6, 5, 1)
    # In another division of the same epoch, the same examples look the same.
    whole, all_labels = batches(batch_size=NUM_EXAMPLES, augment=AUGMENT).batch(0, 0)
    np.testing.assert_array_equal(label, all_labels[-2:])
    np.testing.assert_allclose(inputs["image"], whole["image"][-2:], atol=1e-4)


def test_indices_are_those_of_the_batch() -> None:
    data = batches()
    for step in (0, STEPS - 1):
        np.testing.assert_array_equal(data.indices(2, step), data.batch(2, step)[1])


@pytest.mark.parametrize(("count", "static"), [(48, BATCH_SIZE), (50, None), (5, 5)])
def test_shapes_and_cardinality_are_known(count: int, static: int | None) -> None:
    data = batches(count)
    inputs, label = data.dataset(num_steps=3).element_spec
    assert inputs["image"].shape.as_list() == [static, 6, 5, 1]
    assert inputs["image"].dtype == tf.uint8
    assert label.shape.as_list() == [static]
    assert data.dataset(num_steps=3).cardinality() == 3
    assert data.dataset().cardinality() == tf.data.INFINITE_CARDINALITY


def test_augmented_images_are_float32_of_the_same_range() -> None:
    inputs, _ = batches(augment=AUGMENT).batch(0, 0)
    assert inputs["image"].dtype == tf.float32
    assert 1.0 < tf.reduce_max(inputs["image"]) <= 255.0


def test_tables_keep_each_tensor_and_labels_of_several_values() -> None:
    numbers, categories = np.arange(20, dtype=np.float32).reshape(10, 2), np.arange(10, dtype=np.int32)[:, None]
    label = np.eye(10, dtype=np.float32)
    data = Batches({"numbers": numbers, "categories": categories}, label, batch_size=4, seed=0)
    inputs, given = next(iter(data.dataset()))
    rows = inputs["categories"].numpy()[:, 0]
    np.testing.assert_array_equal(inputs["numbers"], numbers[rows])
    np.testing.assert_array_equal(given, label[rows])


def test_more_than_a_graph_may_hold_is_not_put_into_the_graph() -> None:
    data = Batches({"image": np.zeros((4000, 32, 32, 3), np.uint8)}, np.zeros(4000), batch_size=8, seed=0)
    graph = tf.function(data._assemble).get_concrete_function(tf.constant(0, tf.int64), tf.constant(0, tf.int64)).graph
    assert graph.as_graph_def().ByteSize() < 100_000


@pytest.mark.parametrize("lengths", [(0, 0), (3, 4)])
def test_examples_and_labels_must_match(lengths: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"as many in each\. Received: \{'image': "):
        Batches({"image": np.zeros(lengths[0])}, np.zeros(lengths[1]), batch_size=2, seed=0)


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    np.save(tmp_path / "image.npy", images())
    np.save(tmp_path / "label.npy", np.arange(NUM_EXAMPLES, dtype=np.int32))
    np.save(tmp_path / "id.npy", np.array(["a"] * NUM_EXAMPLES))
    return tmp_path


@pytest.mark.parametrize(("memory", "mapped"), [("memory", False), ("disk", True), ("auto", False)])
def test_prepared_tensors_are_read_or_mapped(prepared: Path, memory: str, mapped: bool) -> None:
    arrays, label = read_prepared(prepared, memory)  # type: ignore[arg-type]
    assert list(arrays) == ["image"]
    assert isinstance(arrays["image"], np.memmap) == mapped
    assert_same(
        list(Batches(arrays, label, batch_size=8, seed=1).dataset(num_steps=9)), list(batches().dataset(num_steps=9))
    )


def test_what_does_not_fit_a_share_of_memory_is_mapped(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.batches.SHARE_OF_MEMORY", 1e-9)
    assert isinstance(read_prepared(prepared)[0]["image"], np.memmap)


RARE = np.repeat([0, 1, 2], [30, 12, 8]).astype(np.int32)


def classes_of_an_epoch(epoch: int = 0, **keys: object) -> tuple[list[np.ndarray], list[np.ndarray]]:
    options: dict[str, Any] = {"batch_size": BATCH_SIZE, "seed": 1, **keys}
    data = Batches({"image": images()}, RARE, **options)
    steps = [data.batch(epoch, step) for step in range(data.steps_per_epoch)]
    return [inputs["image"].numpy() for inputs, _ in steps], [label.numpy() for _, label in steps]


def test_balanced_epochs_hold_every_class_equally_often() -> None:
    for epoch in range(2):
        label = np.concatenate(classes_of_an_epoch(epoch, sampling="balanced")[1])
        assert np.bincount(label).tolist() == [30, 30, 30]
    assert Batches({"image": images()}, RARE, batch_size=8, seed=1, sampling="balanced").steps_per_epoch == 12


def test_an_example_that_comes_again_looks_another_way() -> None:
    pictures, _ = classes_of_an_epoch(sampling="balanced", augment=(Noise(type="noise"),))
    assert len(np.unique(np.concatenate(pictures), axis=0)) == 90


def test_one_hot_labels_are_those_of_the_classes() -> None:
    plain, one_hot = classes_of_an_epoch()[1], classes_of_an_epoch(num_classes=3)[1]
    assert one_hot[0].dtype == np.float32
    for indices, rows in zip(plain, one_hot, strict=True):
        np.testing.assert_array_equal(rows, np.eye(3)[indices])


@pytest.mark.parametrize("sampling", ["natural", "balanced"])
def test_mixed_batches_are_a_function_of_epoch_and_step(sampling: Literal["natural", "balanced"]) -> None:
    data = Batches(
        {"image": images()}, RARE, batch_size=8, seed=1, sampling=sampling, num_classes=3, augment=(MIXUP, CUTMIX)
    )
    assert data.soft_labels
    for step, batch in enumerate(data.dataset(num_steps=data.steps_per_epoch + 2)):
        inputs, label = batch
        assert_same(batch, data.batch(*divmod(step, data.steps_per_epoch)))
        np.testing.assert_allclose(np.sum(label, axis=1), 1.0, atol=1e-6)
        assert inputs["image"].dtype == label.dtype == tf.float32
    assert (label.numpy() > 0.01).sum(axis=1).max() >= 2


def test_the_last_batch_is_mixed_among_its_own_examples() -> None:
    data = batches(augment=(MIXUP,), num_classes=NUM_EXAMPLES)
    _, label = data.batch(0, STEPS - 1)
    there = data.indices(0, STEPS - 1)
    assert label.shape == (2, NUM_EXAMPLES)
    np.testing.assert_allclose(label.numpy()[:, there].sum(axis=1), 1.0, atol=1e-6)


def test_labels_of_two_classes_become_shares() -> None:
    label = np.arange(NUM_EXAMPLES, dtype=np.int32) % 2
    data = Batches({"image": images()}, label, batch_size=25, seed=1, augment=(Mixup(type="mixup", alpha=1.0),))
    shares = np.concatenate([data.batch(0, step)[1] for step in range(2)])
    assert shares.dtype == np.float32
    assert ((shares > 0.02) & (shares < 0.98)).sum() > 10


def test_mixing_more_than_two_classes_needs_their_number() -> None:
    with pytest.raises(ValueError, match="num_classes: required to mix the examples of more than two classes"):
        batches(augment=(MIXUP,))


def test_colours_of_grey_images_cannot_change() -> None:
    with pytest.raises(UserError, match=r"augment\.0\.type: `hue` changes colours; the images are grey"):
        batches(augment=(Hue(type="hue"),))


@pytest.mark.parametrize("memory", [True, False])
def test_texts_and_tables_are_augmented_too(memory: bool) -> None:
    numbers, label = np.arange(40, dtype=np.float32).reshape(20, 2), np.zeros(20, np.int32)
    rows = Batches({"numbers": numbers}, label, batch_size=20, seed=0, augment=(SWAP,), memory=memory, shuffle=False)
    changed = rows.batch(0, 0)[0]["numbers"].numpy() != numbers
    assert 0.2 < changed.mean() < 0.8
    tokens = np.tile(np.arange(2, 12, dtype=np.int32), (20, 1))
    texts = Batches({"tokens": tokens}, label, batch_size=20, seed=0, augment=(DROPOUT,), memory=memory, shuffle=False)
    assert 0.2 < (texts.batch(0, 0)[0]["tokens"].numpy() == 0).mean() < 0.8
