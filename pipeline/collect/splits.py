"""Which split each example belongs to: train, validation or test."""

from collections.abc import Callable

import numpy as np

from models.seeds import seed_for
from pipeline.collect.labels import Labels
from pipeline.collect.source import split_named
from pipeline.errors import UserError
from pipeline.recipe.data import SplitConfig

SPLITS = ("train", "validation", "test")
TRAIN, VALIDATION, TEST = range(3)


def assign_splits(
    section: SplitConfig, ids: np.ndarray, labels: Labels, keys: np.ndarray | None, origin: Callable[[int], str]
) -> np.ndarray:
    """Puts every example into a split.

    By hash and by group, the split of an example depends on its content (or group) and `section.seed` alone: rows
    that are added, removed or moved change nothing for the others, and equal contents stay together.

    Args:
        section: How to split.
        ids: Content hashes, string (n,).
        labels: For stratified splits.
        keys: Time (datetime64 or float), group (string) or the source's split (string) of each example, (n,).
        origin: Row to its name, for messages.

    Returns:
        int8 (n,): indices of `SPLITS`.

    Raises:
        UserError: If a key is missing or unknown, or a split would be empty.
    """
    match section.by:
        case "hash":
            splits = _by_hash(section, ids)
        case "stratified":
            splits = _stratified(section, ids, labels)
        case "group":
            splits = _by_hash(section, _present(keys, section, origin).astype(str))
        case "time":
            splits = _by_time(section, _present(keys, section, origin))
        case "source":
            splits = _as_given(section, ids, _present(keys, section, origin), origin)
    _refuse_empty(section, splits)
    _refuse_unlearnable(section, splits, labels)
    return splits


def uniform(keys: np.ndarray, seed: int) -> np.ndarray:
    """Draws a number in [0, 1) for each key: a pure function of the key and the seed; float64 (n,)."""
    distinct, places = np.unique(keys, return_inverse=True)
    draws = np.array([seed_for(seed, "split", str(key)) for key in distinct]) / 2**31
    return draws[places]


def _by_hash(section: SplitConfig, keys: np.ndarray) -> np.ndarray:
    draws = uniform(keys, section.seed)
    # The test comes first, so that another share of validation leaves the sealed test set as it is.
    splits = np.where(
        draws < section.test, TEST, np.where(draws < section.test + section.validation, VALIDATION, TRAIN)
    )
    return splits.astype(np.int8)


def _stratified(section: SplitConfig, ids: np.ndarray, labels: Labels) -> np.ndarray:
    """The same shares of each class: its distinct contents in the order of their draws, cut in three."""
    if labels.task not in ("binary", "multiclass"):
        raise UserError(
            f"data.split.by: stratified needs one class for each example. Received: a {labels.task} task. "
            "Use `by: hash`."
        )
    distinct, first, places = np.unique(ids, return_index=True, return_inverse=True)
    draws, classes = uniform(distinct, section.seed), labels.values[first]
    splits = np.full(len(distinct), TRAIN, np.int8)
    for index, name in enumerate(labels.classes):
        members = np.flatnonzero(classes == index)
        if 0 < len(members) < len(SPLITS):
            raise UserError(
                f"data.split.by: stratified needs at least 3 different examples of each class. Received: "
                f"{len(members)} of class {name}. Add some, or remove the class."
            )
        ordered = members[np.argsort(draws[members], kind="stable")]
        num_test = max(1, round(section.test * len(members)))
        num_held = num_test + max(1, round(section.validation * len(members)))
        splits[ordered[:num_held]] = VALIDATION
        splits[ordered[:num_test]] = TEST
    return splits[places]


def _by_time(section: SplitConfig, times: np.ndarray) -> np.ndarray:
    """The latest are the test, those before them validation; examples of one time stay together."""
    ordered = np.sort(times)
    num_test = max(1, round(section.test * len(times)))
    num_held = num_test + max(1, round(section.validation * len(times)))
    splits = np.full(len(times), TRAIN, np.int8)
    splits[times >= ordered[-min(num_held, len(times))]] = VALIDATION
    splits[times >= ordered[-num_test]] = TEST
    return splits


def _as_given(section: SplitConfig, ids: np.ndarray, keys: np.ndarray, origin: Callable[[int], str]) -> np.ndarray:
    given = {str(key): split_named(str(key)) for key in np.unique(keys)}
    for key, name in given.items():
        if name is None:
            row = int(np.flatnonzero(keys == key)[0])
            raise UserError(
                f"{origin(row)}: expected the name of a split (train, validation, test). Received: {key!r}. "
                "Rename it, or use `data.split.by: hash`."
            )
    splits = np.array([SPLITS.index(given[str(key)] or "") for key in keys], np.int8)
    if TEST not in splits:
        raise UserError(
            f"data.split.by: the source gives no test split (only {', '.join(sorted(given))}). "
            "Use `by: hash`, which makes one."
        )
    if VALIDATION not in splits:
        train = np.flatnonzero(splits == TRAIN)
        splits[train[uniform(ids[train], section.seed) < section.validation]] = VALIDATION
    return splits


def _present(keys: np.ndarray | None, section: SplitConfig, origin: Callable[[int], str]) -> np.ndarray:
    if keys is None:
        raise UserError(f"data.split.by: this source has nothing to split by {section.by}. Use `by: hash`.")
    missing = np.isnat(keys) if keys.dtype.kind == "M" else np.array([key is None or key != key for key in keys])
    if missing.any():
        raise UserError(
            f"{origin(int(np.flatnonzero(missing)[0]))}: expected a value in column {section.column}, which "
            f"`data.split.by: {section.by}` needs. Received: nothing, in {int(missing.sum()):,} rows. Fill it in or "
            "remove these rows."
        )
    return keys


def _refuse_empty(section: SplitConfig, splits: np.ndarray) -> None:
    counts = np.bincount(splits, minlength=3)
    for name, count in zip(SPLITS, counts, strict=True):
        if count == 0:
            shown = ", ".join(f"{other} {n:,}" for other, n in zip(SPLITS, counts, strict=True))
            raise UserError(
                f"data.split: expected examples in every split. Received: {shown}. {name} is empty: "
                f"add examples{_remedy(section)}."
            )


def _remedy(section: SplitConfig) -> str:
    return {
        "hash": ", change the shares, or use `by: stratified`",
        "group": ": there are few groups; change the shares, or `seed`",
        "time": ": many rows have the same time; change the shares",
    }.get(section.by, "")


def _refuse_unlearnable(section: SplitConfig, splits: np.ndarray, labels: Labels) -> None:
    held, learnt = labels.per_class(splits != TRAIN), labels.per_class(splits == TRAIN)
    absent = np.flatnonzero((held > 0) & (learnt == 0))
    if len(absent):
        shown = ", ".join(f"{labels.classes[i]} ({held[i]:,})" for i in absent[:5])
        remedy = "add examples or remove them" + ("" if section.by == "stratified" else ", or use `by: stratified`")
        raise UserError(
            f"data.split: expected every class in train. Received: {len(absent)} only in validation or test: {shown}. "
            f"These cannot be learnt: {remedy}."
        )
