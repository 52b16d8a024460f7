"""Tables: imputation of numbers, vocabularies of categories, statistics of columns."""

from collections import Counter
from typing import Any

import keras
import numpy as np

from pipeline.preprocess.fitted import Fitted, statistics
from pipeline.preprocess.split import Split
from pipeline.recipe.preprocess import PreprocessConfig
from pipeline.serving import raw
from pipeline.serving.layers import CategoryIndex, ImputeNumbers
from pipeline.serving.signature import Column, Signature


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


def normalizer(
    section: PreprocessConfig, signature: Signature, train: dict[str, raw.Array]
) -> tuple[keras.Model, dict[str, Any]]:
    """Builds prepared columns -> network inputs: `numbers` float32, `categories` int32, shapes unchanged.

    Indicators of missing values stay 0 and 1.

    Args:
        section: Resolved for tables.
        signature: With the columns, and the shapes of the prepared tensors.
        train: Prepared training columns.

    Returns:
        The model, and what was fitted.
    """
    inputs: dict[str, keras.KerasTensor] = {}
    outputs: dict[str, keras.KerasTensor] = {}
    facts: dict[str, Any] = {}
    for name, shape in signature.shapes:
        dtype = "float32" if name == "numbers" else "int32"
        inputs[name] = keras.Input(shape, dtype=dtype, name=name)
        outputs[name] = keras.layers.Identity(name=f"{name}_as_they_are", dtype=dtype)(inputs[name])
    if "numbers" in inputs and section.normalize != "none":
        layer, facts = _scale(section.normalize, train["numbers"], len(raw.number_columns(signature)))
        outputs["numbers"] = layer(inputs["numbers"])
    return keras.Model(inputs, outputs, name="normalize"), facts


def _scale(method: str, numbers: raw.Array, num_columns: int) -> tuple[keras.Layer, dict[str, Any]]:
    """The layer that scales the first `num_columns` columns; a column of one value becomes 0."""
    found = statistics(numbers)
    is_number = np.arange(numbers.shape[1]) < num_columns
    if method == "standard":
        offset, spread = found.mean, np.sqrt(found.variance)
    else:
        offset, spread = found.minimum, found.maximum - found.minimum
    offset = np.where(is_number, offset, 0.0)
    spread = np.where(is_number & (spread > 0), spread, 1.0)
    layer = keras.layers.Normalization(
        mean=offset.tolist(), variance=(spread**2).tolist(), name=method, dtype="float32"
    )
    return layer, {"offset": offset.tolist(), "spread": spread.tolist()}


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
    values = [fact[method] for fact in facts.values()]
    return ImputeNumbers(
        values, with_missing if section.missing_indicator else [], name="impute", dtype="float32"
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
