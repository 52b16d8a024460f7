import json

import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.serving.compose import load_model
from pipeline.serving.signature import Signature
from tests.preprocess.conftest import Prepare


def test_vocabulary_is_that_of_the_training_split_by_frequency(prepare: Prepare) -> None:
    train = {"text": ["The cat, the dog!", "the CAT", "a bird"]}
    out, _ = prepare("text", train, {"text": ["the unseen zebra"]})
    vocabulary = json.loads((out / "artifacts/preprocess.json").read_text())["fitted"]["most_frequent"]
    assert vocabulary[:2] == ["the", "cat"]
    assert sorted(vocabulary[2:]) == ["a", "bird", "dog"]
    tokens = np.load(out / "validation/tokens.npy")
    assert tokens.dtype == np.int32
    assert tokens[0, :3].tolist() == [2, 1, 1]
    assert Signature.load(out / "signature.json").vocabulary_size == 7


def test_vocabulary_keeps_the_most_frequent_and_counts_padding_and_unknown(prepare: Prepare) -> None:
    out, _ = prepare("text", {"text": ["a a a b b c"]}, {"text": ["c b a"]}, vocabulary_size=4)
    assert np.load(out / "validation/tokens.npy")[0, :3].tolist() == [1, 3, 2]
    assert Signature.load(out / "signature.json").vocabulary_size == 4


def test_length_is_the_95th_percentile_of_the_training_texts(prepare: Prepare) -> None:
    train = {"text": ["one two three"] * 19 + ["long " * 50]}
    out, _ = prepare("text", train, {"text": ["long " * 50]})
    # The percentile lies between the 19th and the 20th text: 3 + 0.05 · (50 - 3).
    assert Signature.load(out / "signature.json").shapes == (("tokens", (6,)),)
    assert json.loads((out / "artifacts/preprocess.json").read_text())["fitted"]["training_texts_cut"] == 1


def test_a_text_without_tokens_reads_as_one_unknown_token(prepare: Prepare) -> None:
    out, _ = prepare("text", {"text": ["good", "bad", "..."]}, {"text": [""]}, sequence_length=3)
    assert np.load(out / "train/tokens.npy")[2].tolist() == [1, 0, 0]
    assert np.load(out / "validation/tokens.npy")[0].tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    ("section", "same"),
    [
        ({}, ["ÄRGER!", "ärger"]),
        ({"standardize": "lower"}, ["ÄRGER", "ärger"]),
        ({"standardize": "strip_punctuation"}, ["«Ärger»", "Ärger"]),
        ({"standardize": "none"}, ["a\u00a0b", "a b"]),
        ({"tokens": "character", "standardize": "lower"}, ["Ä\n", "ä\n"]),
    ],
)
def test_texts_that_differ_by_what_is_cleaned_are_equal(prepare: Prepare, section: dict, same: list[str]) -> None:
    out, _ = prepare("text", {"text": [*same, "other 1"]}, {"text": same}, **section)
    first, second, other = load_model(out / "prepare.keras")({"text": np.array([*same, "other 1"], object)})[
        "tokens"
    ].numpy()
    np.testing.assert_array_equal(first, second)
    assert first.min() != 1
    assert (first != other).any()


def test_texts_without_any_token_are_refused(prepare: Prepare) -> None:
    with pytest.raises(UserError, match=r"expected tokens in the training texts. Received: none after lower_and"):
        prepare("text", {"text": ["...", "!"]}, {"text": ["word"]})


def test_ngrams_join_words(prepare: Prepare) -> None:
    out, _ = prepare("text", {"text": ["new york"] * 2}, {"text": ["new york"]}, ngrams=2)
    facts = json.loads((out / "artifacts/preprocess.json").read_text())
    assert sorted(facts["fitted"]["most_frequent"]) == ["new", "new york", "york"]
