"""Cases of `benchmarks/diagnosis.py` from the project's own zoo: planted faults, and healthy controls."""

from collections.abc import Iterator
from functools import partial

import keras
import numpy as np

from benchmarks.diagnosed.cases import Case, Data
from benchmarks.diagnosed.verdicts import WORDS
from pipeline.diagnosis.reference import neighbours_score
from tests.diagnosis.zoo import HEALTHY, SICK, Animal

BATCH_SIZE = 32

PLANTED = {"poor_initialization": "zero_init"}
"""What is planted of a symptom, in words of the corpus: the initial weights of the zoo are zeros."""


def zoo_cases() -> list[Case]:
    """All of the zoo, sick and healthy by turns; whether one is sick is known, since the fault was planted."""
    sick = [_case(name, animal) for name, animal in SICK.items()]
    healthy = [_case(name, animal) for name, animal in HEALTHY.items()]
    return list(_by_turns(sick, healthy))


def _by_turns(first: list[Case], second: list[Case]) -> Iterator[Case]:
    for place in range(max(len(first), len(second))):
        yield from (*first[place : place + 1], *second[place : place + 1])


def _case(name: str, animal: Animal) -> Case:
    data = _data(animal)
    named = {animal.symptom, *animal.also} - {""}
    planted = PLANTED.get(animal.symptom, WORDS.get(animal.symptom, animal.symptom))
    return Case(
        id=name,
        batch_size=BATCH_SIZE,
        epochs=animal.epochs,
        build=partial(_build, animal),
        data=partial(_data, animal),
        metric="val_accuracy" if animal.y.dtype.kind == "i" else "val_loss",
        chance=_chance(data.y_val),
        reference=_reference(data),
        sick=bool(animal.symptom),
        fault=name if animal.symptom else "",
        symptoms=frozenset({*named, *(WORDS.get(symptom, symptom) for symptom in named), planted} - {""}),
        planted=frozenset({planted} - {""}),
        faulty_layers=_places(animal),
        mendable=animal.mendable,
        group="zoo",
    )


def _build(animal: Animal, seed: int) -> keras.Model:
    keras.utils.set_random_seed(seed)
    return animal.build()


def _data(animal: Animal) -> Data:
    """Three quarters to train on, the rest to validate on."""
    cut = len(animal.x) * 3 // 4
    return Data(animal.x[:cut], animal.y[:cut], animal.x[cut:], animal.y[cut:])


def _chance(labels: np.ndarray) -> float:
    return float(np.unique(labels, return_counts=True)[1].max() / len(labels))


def _reference(data: Data) -> float:
    """What nearest neighbours get on the validation examples."""
    return neighbours_score(data.x_val, data.y_val.astype("int64").reshape(len(data.y_val)), classes=True)


def _places(animal: Animal) -> tuple[int, ...]:
    if not animal.layer:
        return ()
    kernels = [layer.name for layer in animal.build().layers if any(len(each.shape) > 1 for each in layer.weights)]
    return (kernels.index(animal.layer),)
