import numpy as np
import pytest
import tensorflow as tf

from pipeline.augment import augmenter
from pipeline.augment.hashing import draws
from pipeline.augment.tokens import CHANGES, span_mask, word_dropout, word_swap
from pipeline.recipe.augment import AugmentConfig, SpanMask, WordDropout, WordSwap

COUNT, LENGTH = 400, 20
TRANSFORMS: tuple[AugmentConfig, ...] = (
    WordDropout(type="word_dropout", fraction=0.3),
    WordSwap(type="word_swap", fraction=0.5),
    SpanMask(type="span_mask", fraction=0.3),
)


def texts() -> np.ndarray:
    """Texts of 1 to 20 tokens, every token of a text its own."""
    tokens = np.zeros((COUNT, LENGTH), np.int32)
    for row in range(COUNT):
        tokens[row, : row % LENGTH + 1] = np.arange(2, row % LENGTH + 3)
    return tokens


def changed(transform: AugmentConfig, tokens: np.ndarray, *, key: int = 1, epoch: int = 0) -> np.ndarray:
    opened = draws(key, transform.probability, tf.range(len(tokens)), tf.constant(epoch))
    return CHANGES[type(transform)](transform, opened, tf.constant(tokens)).numpy()  # type: ignore[no-any-return]


def test_dropped_words_are_missing_from_their_text_in_order_and_padding_is_at_the_end() -> None:
    before, after = texts(), changed(TRANSFORMS[0], texts())
    for old, new in zip(before, after, strict=True):
        kept = new[new != 0]
        np.testing.assert_array_equal(new[: len(kept)], kept)
        np.testing.assert_array_equal(kept, [token for token in old if token in set(kept) and token])
        assert len(kept) >= 1
    long = before.astype(bool).sum(axis=1) >= 10
    gone = 1 - (after[long] != 0).sum() / (before[long] != 0).sum()
    assert gone == pytest.approx(0.3, abs=0.03)


def test_of_a_text_some_word_stays_however_many_are_dropped() -> None:
    after = changed(WordDropout(type="word_dropout", fraction=0.999), texts())
    assert (after != 0).sum(axis=1).min() == 1
    np.testing.assert_array_equal(after[0], texts()[0])


def test_swapped_words_are_the_same_words_in_other_places() -> None:
    before, after = texts(), changed(TRANSFORMS[1], texts())
    np.testing.assert_array_equal(np.sort(after), np.sort(before))
    np.testing.assert_array_equal(after != 0, before != 0)
    long = before.astype(bool).sum(axis=1) >= 10
    moved = (after[long] != before[long]).sum() / (before[long] != 0).sum()
    # Of about 7 that are drawn, one stays in its place by chance.
    assert moved == pytest.approx(0.5 * 6 / 7, abs=0.05)


def test_a_masked_span_is_one_row_of_unknown_tokens_anywhere_in_the_text() -> None:
    before, after = texts(), changed(TRANSFORMS[2], texts())
    masked = after != before
    assert (after[masked] == 1).all()
    for length, row in zip((before != 0).sum(axis=1), masked, strict=True):
        assert row.sum() == min(max(round(0.3 * length), 1), length - 1)
        assert (np.diff(np.flatnonzero(row)) == 1).all()
    full = masked[LENGTH - 1 :: LENGTH]
    assert full[:, 0].any()
    assert full[:, -1].any()


@pytest.mark.parametrize("transform", TRANSFORMS, ids=lambda each: each.type)
def test_an_empty_text_stays_one_unknown_token(transform: AugmentConfig) -> None:
    unknown = np.zeros((50, LENGTH), np.int32)
    unknown[:, 0] = 1
    np.testing.assert_array_equal(changed(transform, unknown), unknown)


@pytest.mark.parametrize("transform", TRANSFORMS, ids=lambda each: each.type)
def test_texts_depend_on_key_and_epoch_and_only_on_them(transform: AugmentConfig) -> None:
    first = changed(transform, texts())
    np.testing.assert_array_equal(first, changed(transform, texts()))
    assert (first != changed(transform, texts(), key=2)).any()
    assert (first != changed(transform, texts(), epoch=1)).any()


@pytest.mark.parametrize("transform", TRANSFORMS, ids=lambda each: each.type)
def test_texts_that_are_not_chosen_keep_every_token(transform: AugmentConfig) -> None:
    rarely = type(transform).model_validate({**transform.model_dump(), "probability": 0.25, "fraction": 0.9})
    long = np.tile(texts()[LENGTH - 1], (COUNT, 1))
    assert (changed(rarely, long) != long).any(axis=1).mean() == pytest.approx(0.25, abs=0.06)


def test_tokens_are_the_same_eagerly_and_inside_map() -> None:
    augment = augmenter(TRANSFORMS, {"tokens": texts()}, seed=3)
    assert augment is not None

    def at(epoch: tf.Tensor) -> tf.Tensor:
        return augment({"tokens": tf.constant(texts())}, tf.range(COUNT, dtype=tf.int64), epoch)["tokens"]

    for epoch, mapped in enumerate(tf.data.Dataset.range(3).map(at, num_parallel_calls=2).as_numpy_iterator()):
        assert mapped.dtype == np.int32
        np.testing.assert_array_equal(mapped, at(tf.constant(epoch, tf.int64)))


def test_functions_are_reached_by_their_transforms() -> None:
    assert {WordDropout: word_dropout, WordSwap: word_swap, SpanMask: span_mask} == CHANGES
