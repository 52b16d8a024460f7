"""The zoo: every planted fault is called and named in its layer; nothing above a note on what is healthy."""

from typing import Any

import pytest

from pipeline.diagnosis.rules import SYMPTOMS
from tests.diagnosis.zoo import HEALTHY, SICK, Animal

NOT_OF_ONE_NETWORK = {"input_bound", "memory_limit", "poor_optimum"}
"""Of a slow source of data (`test_steps.py`), of the machine, and of several seeds (`test_rules.py`)."""

QUICK = (
    *("zeros in one layer", "a rate far too high", "labels of another coding"),
    *("relu", "a rate somewhat high"),
)
"""Those that `make test` trains."""


def named(zoo: dict[str, Animal]) -> list[Any]:
    return [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in zoo]


@pytest.mark.filterwarnings("ignore:Gradients do not exist")  # it is planted in one of them
@pytest.mark.parametrize("name", named(SICK))
def test_a_sick_training_is_called_and_its_fault_named(name: str) -> None:
    animal = SICK[name]
    findings = animal.watched().findings
    grave = [finding for finding in findings if finding.rank]
    assert animal.symptom in [finding.symptom for finding in grave]
    assert {*animal.also} <= {finding.symptom for finding in findings}
    blamed = next((finding.layers[0] for finding in grave if finding.layers), "")
    assert blamed == animal.layer or not animal.layer


@pytest.mark.parametrize("name", named(HEALTHY))
def test_a_healthy_training_gets_nothing_above_a_note(name: str) -> None:
    diagnosis = HEALTHY[name].watched()
    assert [finding for finding in diagnosis.findings if finding.rank] == []


def test_every_symptom_of_a_network_is_planted() -> None:
    planted = {symptom for animal in SICK.values() for symptom in (animal.symptom, *animal.also)}
    assert planted == set(SYMPTOMS) - NOT_OF_ONE_NETWORK
