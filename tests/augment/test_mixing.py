import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from pipeline.augment.mixing import Mixing, Step, mixing, partners
from pipeline.recipe.augment import AugmentConfig, CutMix, Mixup

COUNT, NUM_CLASSES = 256, 5
MIXUP, CUTMIX = Mixup(type="mixup", alpha=1.0), CutMix(type="cutmix")


def first_step(epoch: int = 0, step: int = 0, count: int = COUNT) -> Step:
    return Step(*(tf.constant(value, tf.int64) for value in (epoch, step, count)))


def levels(shape: tuple[int, ...] = (16, 12, 1)) -> tf.Tensor:
    """Images of one value each: that of example i is i / 2."""
    return tf.ones((COUNT, *shape)) * tf.reshape(tf.range(COUNT, dtype=tf.float32) / 2, (-1, 1, 1, 1))


def labels() -> tf.Tensor:
    return tf.one_hot(tf.range(COUNT) % NUM_CLASSES, NUM_CLASSES)


def built(*transforms: AugmentConfig, seed: int = 0) -> Mixing:
    mix = mixing(transforms, seed=seed)
    assert mix is not None
    return mix


def mixed(
    *transforms: AugmentConfig, seed: int = 0, step: Step | None = None, images: tf.Tensor | None = None
) -> tuple[np.ndarray, np.ndarray]:
    inputs = {"image": levels() if images is None else images}
    inputs, shares = built(*transforms, seed=seed)(inputs, labels(), tf.range(COUNT), step or first_step())
    return inputs["image"].numpy(), shares.numpy()


def test_a_recipe_without_mixing_has_none() -> None:
    assert mixing((), seed=0) is None


@pytest.mark.parametrize("count", [1, 2, 7, COUNT])
def test_partners_permute_the_examples_that_are_there(count: int) -> None:
    found = partners(3, first_step(count=count), COUNT).numpy()
    np.testing.assert_array_equal(np.sort(found[:count]), np.arange(count))


def test_partners_change_with_epoch_step_and_key() -> None:
    found = [partners(3, first_step(), COUNT), partners(3, first_step(epoch=1), COUNT)]
    found += [partners(3, first_step(step=1), COUNT), partners(4, first_step(), COUNT)]
    for i, one in enumerate(found):
        for other in found[:i]:
            assert (one.numpy() != other.numpy()).mean() > 0.95


def test_mixup_averages_pixels_and_labels_with_one_weight() -> None:
    key_and_partner = mixed(MIXUP)
    images, shares = key_and_partner
    np.testing.assert_allclose(shares.sum(axis=1), 1.0, atol=1e-6)
    own = np.arange(COUNT)
    # From the pixel: value = w * i / 2 + (1 - w) * j / 2; from the label: the share of the own class is w.
    classes = own % NUM_CLASSES
    kept = shares[own, classes]
    other_class = np.where(kept < 1, np.argmax(np.where(np.eye(NUM_CLASSES)[classes], -1, shares), axis=1), classes)
    for i in range(0, COUNT, 17):
        if other_class[i] == classes[i] or not 0.05 < kept[i] < 0.95:
            continue
        partner = (2 * images[i, 0, 0, 0] - kept[i] * i) / (1 - kept[i])
        assert partner == pytest.approx(round(partner), abs=0.05)
        assert round(partner) % NUM_CLASSES == other_class[i]
    assert np.ptp(images, axis=(1, 2, 3)).max() < 1e-4


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_weights_of_mixup_are_from_the_beta_distribution(alpha: float) -> None:
    weights = []
    for epoch in range(8):
        # Every example has a class of its own, so that its share of it is its weight (partners aside).
        mix = built(Mixup(type="mixup", alpha=alpha))
        _, shares = mix({"image": levels()}, tf.eye(COUNT), tf.range(COUNT), first_step(epoch))
        weights.append(np.diag(shares.numpy()))
    assert scipy.stats.kstest(np.concatenate(weights), scipy.stats.beta(alpha, alpha).cdf).pvalue > 1e-3


def test_mixup_takes_categories_from_either_and_averages_numbers() -> None:
    numbers = tf.reshape(tf.range(COUNT, dtype=tf.float32), (-1, 1))
    categories = tf.tile(tf.range(COUNT)[:, tf.newaxis], (1, 40))
    rows, shares = built(MIXUP)(
        {"numbers": numbers, "categories": categories}, tf.eye(COUNT), tf.range(COUNT), first_step()
    )
    kept = np.diag(shares.numpy())
    own = rows["categories"].numpy() == np.arange(COUNT)[:, None]
    assert rows["categories"].dtype == tf.int32
    assert np.abs(own.mean(axis=1) - kept).mean() < 0.08
    np.testing.assert_allclose(rows["numbers"][:, 0], shares.numpy() @ np.arange(COUNT), atol=0.05)


def test_cutmix_pastes_one_rectangle_and_labels_are_shares_of_the_area() -> None:
    images, shares = mixed(CUTMIX)
    changed = (images != levels().numpy())[..., 0]
    np.testing.assert_allclose(shares.sum(axis=1), 1.0, atol=1e-6)
    for i in range(COUNT):
        rows, columns = changed[i].any(axis=1), changed[i].any(axis=0)
        assert changed[i].sum() == rows.sum() * columns.sum()
        assert (np.diff(np.flatnonzero(rows)) == 1).all()
        pasted = np.unique(images[i][changed[i]])
        assert len(pasted) <= 1
        if len(pasted) and int(2 * pasted[0]) % NUM_CLASSES != i % NUM_CLASSES:
            assert shares[i, i % NUM_CLASSES] == pytest.approx(1 - changed[i].mean(), abs=1e-6)
            assert shares[i, int(2 * pasted[0]) % NUM_CLASSES] == pytest.approx(changed[i].mean(), abs=1e-6)
    assert changed.any(axis=0).all()
    assert 0.2 < changed.mean() < 0.45


@pytest.mark.parametrize("transform", [MIXUP, CUTMIX], ids=lambda each: each.type)
def test_examples_that_are_not_chosen_keep_pixels_and_labels(transform: AugmentConfig) -> None:
    rarely = type(transform).model_validate({**transform.model_dump(), "probability": 0.3})
    images, shares = mixed(rarely)
    same = (images == levels().numpy()).all(axis=(1, 2, 3))
    assert same.mean() == pytest.approx(0.7, abs=0.1)
    np.testing.assert_array_equal(shares[same], labels().numpy()[same])


@pytest.mark.parametrize("transform", [MIXUP, CUTMIX], ids=lambda each: each.type)
def test_mixing_depends_on_seed_epoch_and_step_and_only_on_them(transform: AugmentConfig) -> None:
    images, _ = mixed(transform)
    np.testing.assert_array_equal(images, mixed(transform)[0])
    for other in (
        mixed(transform, seed=1),
        mixed(transform, step=first_step(1)),
        mixed(transform, step=first_step(0, 1)),
    ):
        assert (images != other[0]).any()


def test_mixed_batches_are_the_same_eagerly_and_inside_map() -> None:
    mix, images = built(MIXUP, CUTMIX), tf.cast(levels((8, 8, 3)), tf.uint8)

    def at(epoch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        step = Step(epoch, tf.constant(2, tf.int64), tf.constant(COUNT, tf.int64))
        inputs, shares = mix({"image": images}, labels(), tf.range(COUNT), step)
        return inputs["image"], shares

    for epoch, result in enumerate(tf.data.Dataset.range(2).map(at, num_parallel_calls=2).as_numpy_iterator()):
        for ours, theirs in zip(result, at(tf.constant(epoch, tf.int64)), strict=True):
            np.testing.assert_array_equal(ours, theirs)
