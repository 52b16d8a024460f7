"""Texts: the vocabulary of the training split and the length that most of its texts have."""

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipeline.errors import UserError
from pipeline.preprocess.fitted import Fitted
from pipeline.preprocess.split import Split
from pipeline.recipe.preprocess import PreprocessConfig
from pipeline.serving import layers
from pipeline.serving.raw import raw_tensors
from pipeline.serving.signature import Signature

STANDARDIZE = {
    "lower_and_strip_punctuation": layers.lower_and_strip_punctuation,
    "lower": layers.lower,
    "strip_punctuation": layers.strip_punctuation,
    "none": None,
}
"""The recipe's words to the functions that clean texts."""

SPLIT = {"word": layers.split_words, "character": "character"}
"""The recipe's words to how texts are split into tokens."""

LENGTH_PERCENTILE = 95
"""Share of the training texts, in percent, that the default length holds whole."""


def fit(section: PreprocessConfig, signature: Signature, train: Split) -> Fitted:
    """Counts tokens and their number in each text.

    Args:
        section: Resolved for texts.
        signature: Of the collected data.
        train: Training split.

    Raises:
        UserError: If the training texts hold no token.
    """
    counting = _vectorization(section)
    for batch in train.batches("text"):
        counting.update_state(tf.constant(raw_tensors(batch, signature)["text"]))
    # Sorted by frequency, ties by name: Keras's finalize_state breaks them so.
    counting.finalize_state()
    vocabulary = counting.get_vocabulary(include_special_tokens=False)
    if not vocabulary:
        raise UserError(
            f"preprocess.standardize: expected tokens in the training texts. Received: none after "
            f"{section.standardize}; use `none`, or look at the texts in the data report"
        )
    lengths = np.concatenate(
        [
            np.count_nonzero(counting(tf.constant(raw_tensors(b, signature)["text"])), axis=1)
            for b in train.batches("text")
        ]
    )
    length = section.sequence_length or max(1, math.ceil(np.percentile(lengths, LENGTH_PERCENTILE)))
    text = keras.Input((), dtype="string", name="text")
    # Given to the constructor, the vocabulary is saved in the config: in the file of a vocabulary, a line a token, a
    # token that is a line break would be lost.
    vectorize = _vectorization(section, vocabulary=vocabulary, output_sequence_length=length)
    tokens = layers.TokenIds(name="token_ids", dtype="int32")(vectorize(text))
    facts = {
        "tokens_kept": len(vocabulary),
        "sequence_length": length,
        "training_texts": len(lengths),
        "training_texts_cut": int((lengths > length).sum()),
        "training_texts_without_tokens": int((lengths == 0).sum()),
        "median_tokens": float(np.median(lengths)),
        "most_frequent": vocabulary[:50],
    }
    prepare = keras.Model({"text": text}, {"tokens": tokens}, name="prepare")
    return Fitted(prepare, facts, vocabulary_size=vectorize.vocabulary_size())


def _vectorization(section: PreprocessConfig, **arguments: Any) -> keras.layers.TextVectorization:
    return keras.layers.TextVectorization(
        max_tokens=section.vocabulary_size,
        standardize=STANDARDIZE[section.standardize or "none"],
        split=SPLIT[section.tokens or "word"],
        ngrams=section.ngrams if section.ngrams != 1 else None,
        name="vectorize",
        **arguments,
    )
