"""Every row of the technique table is a recipe that loads, and every technique of the schema has a row."""

from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Literal, get_args, get_origin

import numpy as np
import pytest
from pydantic.fields import FieldInfo

from benchmarks.catalogue import BASES, NOT_TECHNIQUES, OPTIMISERS, TECHNIQUES, Technique, written
from benchmarks.effects import Training, digest, effect, interval, report
from benchmarks.techniques import REPORT, RESULTS, jobs, read
from pipeline.recipe.load import load_recipe
from pipeline.recipe.schema import fields_of, sections_of, tag_of
from pipeline.recipe.tree import Recipe

PLACES = [(technique, base) for technique in TECHNIQUES for base in technique.bases]


@pytest.mark.parametrize(("technique", "base"), PLACES, ids=lambda each: getattr(each, "name", each))
def test_a_row_is_a_recipe_and_changes_it(technique: Technique, base: str):
    sides = [written(BASES[base], technique.both, changes) for changes in ({}, technique.on)]
    off, on = (load_recipe({"name": "row", "seed": 0, **tree}) for tree in sides)
    assert off.model_dump() != on.model_dump()


def test_every_technique_of_the_schema_has_a_row():
    measured = {key for technique in TECHNIQUES for key in _set_by(technique)}
    missing = sorted(set(_techniques()) - measured)
    assert not missing, "add a row to benchmarks/catalogue.py for each, or name it in NOT_TECHNIQUES there"


def test_what_is_no_technique_is_a_key_of_the_schema():
    fields = {
        place: {name for section in sections_of(_field(place).annotation) for name in fields_of(section)}
        for place in NOT_TECHNIQUES
    }
    for place, names in NOT_TECHNIQUES.items():
        assert {name.partition(":")[0] for name in names} <= fields[place]


def test_names_of_rows_differ():
    names = [(technique.name, base) for technique, base in PLACES]
    assert len(set(names)) == len(names)


def test_changes_replace_mappings_and_leave_the_base_alone():
    before = digest(written(BASES["digits"]))
    tree = written(BASES["digits"], {"model.dropout": 0.5}, {"train.optimizer": {"type": "sgd"}})
    assert tree["model"]["dropout"] == 0.5
    assert tree["train"]["optimizer"] == {"type": "sgd"}
    assert digest(written(BASES["digits"])) == before != digest(tree)


def test_each_seed_is_trained_without_and_with_the_technique_in_turn():
    technique = next(each for each in TECHNIQUES if each.name == "SAM")
    order = [(seed, "sam" in tree["train"]) for _, tree, seed in jobs([technique], ["digits"], range(2))]
    assert order == [(0, False), (0, True), (1, False), (1, True)]


def test_the_effect_pairs_seeds():
    technique = next(each for each in TECHNIQUES if each.name == "SAM")
    off, on = (
        digest(written(BASES["digits"], changes)) for changes in (technique.both, {**technique.both, **technique.on})
    )
    trainings = [_training(off, seed, accuracy=seed / 10) for seed in (3, 1, 2, 5, 4)]
    trainings += [_training(on, seed, accuracy=seed / 10 + 0.05) for seed in (1, 2, 3, 4, 5, 6)]
    found = effect(BASES["digits"], technique, trainings)
    np.testing.assert_allclose(found.differences("accuracy"), [0.05] * 5)
    assert effect(BASES["digits"], technique, trainings[1:]) is None


def test_the_interval_is_of_students_t():
    # Mean 2, standard deviation 1, n = 3: 2 ± 4.3027 / √3.
    np.testing.assert_allclose(interval(np.array([1.0, 2.0, 3.0])), (-0.48414, 4.48414), atol=1e-4)


@pytest.mark.slow
def test_the_page_is_of_the_trainings_as_recorded():
    assert REPORT.read_text(encoding="utf-8") == report(read(RESULTS)), "run `python -m benchmarks.techniques --table`"


def _training(recipe: str, seed: int, **scores: float) -> Training:
    return Training(recipe, seed, day="2026-01-01", machine="a machine", scores=scores, secs=1.0, num_epochs=2)


def _field(section: str) -> FieldInfo:
    return fields_of(Recipe)[section]


def _techniques() -> Iterator[str]:
    """What a recipe can choose: `model.l2`, `model.dropout_type: spatial`, `augment: flip`, and so on."""
    yield from (f"augment: {tag_of(section)}" for section in sections_of(_field("augment").annotation))
    yield "data.sampling: balanced"
    yield from (f"train.optimizer: {name.lower()}" for name in OPTIMISERS)
    for place in ("model", "train"):
        excluded = {f"{place}.{name}" for name in NOT_TECHNIQUES[place]}
        for section in sections_of(_field(place).annotation):
            yield from _choices(f"{place}.type", tag_of(section), excluded)
            for name, field in fields_of(section).items():
                if name != "type" and f"{place}.{name}" not in excluded:
                    yield from (key for key in _of_field(f"{place}.{name}", field) if key not in excluded)


def _choices(key: str, tag: str | None, excluded: set[str]) -> Iterator[str]:
    if tag and f"{key}: {tag}" not in excluded:
        yield f"{key}: {tag}"


def _of_field(key: str, field: FieldInfo) -> Iterator[str]:
    tags = [tag for section in sections_of(field.annotation) if (tag := tag_of(section))]
    options = [*_options(field.annotation)]
    default = field.get_default(call_default_factory=True)
    if tags:
        yield from (f"{key}: {tag}" for tag in tags if tag != getattr(default, "type", None))
    elif options:
        yield from (f"{key}: {option}" for option in options if option not in (default, "auto"))
    else:
        yield key


def _options(annotation: Any) -> Iterator[str]:
    """Values of a field that takes names from a list and nothing else."""
    arguments = [argument for argument in get_args(annotation) if argument is not type(None)]
    if get_origin(annotation) is Literal:
        yield from get_args(annotation)
    elif get_origin(annotation) in (Annotated, UnionType) and len(arguments) == 1:
        yield from _options(arguments[0])


def _set_by(technique: Technique) -> Iterator[str]:
    """Names in the words of `_techniques` for what a row sets."""
    for key, value in technique.on.items():
        chosen = value if isinstance(value, list) else [value]
        yield key
        for each in chosen:
            option = each.get("type") if isinstance(each, Mapping) else each
            yield f"{key}.type: {option}" if key == "model" else f"{key}: {option}"
