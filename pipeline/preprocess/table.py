"""Tables: imputation of numbers, vocabularies of categories."""

from collections import Counter
from typing import Any

import keras
import numpy as np

from pipeline.preprocess.fitted import Fitted
from pipeline.preprocess.split import Split
from pipeline.recipe.preprocess import PreprocessConfig
from pipeline.serving import raw
from pipeline.serving.description import Column
from pipeline.serving.layers import CategoryIndex, ImputeNumbers
from pipeline.serving.signature import Signature


def fit(section: PreprocessConfig, signature: Signature, train: Split) -> Fitted:
    """Fits imputation and categories, a column at a time.

    Args:
        section: Resolved for tables.
        signature: With the columns.
        train: Training split.
    """
    inputs: dict[str, keras.KerasTensor] = {}
    outputs: dict[str, keras.KerasTensor] = {}
    facts: dict[str, Any] = {}
    notes: list[str] = []
    sizes: tuple[int, ...] = ()
    numeric, categorical = raw.number_columns(signature), raw.category_columns(signature)
    if numeric:
        inputs["numbers"] = keras.Input((len(numeric),), dtype="float32", name="numbers")
        impute, facts["numbers"] = _fit_imputation(section, numeric, train)
        outputs["numbers"] = impute(inputs["numbers"])
        empty = [name for name, fact in facts["numbers"].items() if fact["missing"] == fact["rows"]]
        notes += [f"column `{name}` has no value in the training split: 0 is used" for name in empty]
    if categorical:
        inputs["categories"] = keras.Input((len(categorical),), dtype="string", name="categories")
        index, sizes, facts["categories"] = _fit_categories(section, categorical, train)
        outputs["categories"] = index(inputs["categories"])
    return Fitted(keras.Model(inputs, outputs, name="prepare"), facts, tuple(notes), category_sizes=sizes)


def _fit_imputation(
    section: PreprocessConfig, columns: tuple[Column, ...], train: Split
) -> tuple[keras.Layer, dict[str, Any]]:
    method = section.impute or "median"
    facts = {}
    for column in columns:
        values = np.concatenate([raw.numbers(batch, column) for batch in train.batches(column.name)])
        present = values[~np.isnan(values)].astype("float64")
        value = _substitute(method, present) if len(present) else 0.0
        facts[column.name] = {"rows": len(values), "missing": len(values) - len(present), method: value}
    with_missing = [i for i, fact in enumerate(facts.values()) if fact["missing"]]
    substitutes = [fact[method] for fact in facts.values()]
    return ImputeNumbers(
        substitutes, with_missing if section.missing_indicator else [], name="impute", dtype="float32"
    ), facts


def _substitute(method: str, present: raw.Array) -> float:
    if method == "median":
        return float(np.median(present))
    if method == "mean":
        return float(np.mean(present))
    if method == "most_frequent":
        values, counts = np.unique(present, return_counts=True)
        # Of values that are equally frequent the smallest is taken.
        return float(values[np.argmax(counts)])
    return 0.0


def _fit_categories(
    section: PreprocessConfig, columns: tuple[Column, ...], train: Split
) -> tuple[keras.Layer, tuple[int, ...], dict[str, Any]]:
    limit = section.max_categories or 1000
    if section.categories == "hashing":
        layer = keras.layers.Hashing(limit, mask_value="", name="hashing", dtype="int32")
        return layer, (limit,) * len(columns), {column.name: {"bins": limit} for column in columns}
    vocabularies, facts = [], {}
    for column in columns:
        counts: Counter[str] = Counter()
        for batch in train.batches(column.name):
            counts.update(raw.categories(batch, column).tolist())
        missing = counts.pop("", 0)
        # Ties are broken by name, so that the order of the rows does not matter.
        vocabulary = sorted(counts, key=lambda word: (-counts[word], word))[:limit]
        vocabularies.append(vocabulary)
        facts[column.name] = {
            "missing": missing,
            "categories": len(counts),
            "kept": len(vocabulary),
            "most_frequent": {word: counts[word] for word in vocabulary[:10]},
        }
    sizes = tuple(len(vocabulary) + CategoryIndex.NUM_SPECIAL for vocabulary in vocabularies)
    return CategoryIndex(vocabularies, name="vocabulary"), sizes, facts
