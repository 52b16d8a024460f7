"""The zoo: every planted fault is called and named in its layer; nothing above a note on what is healthy."""

import pytest

from tests.diagnosis.zoo import HEALTHY, SICK


@pytest.mark.parametrize("name", SICK)
def test_a_sick_training_is_called_and_its_fault_named(name: str) -> None:
    animal = SICK[name]
    findings = [finding for finding in animal.watched().findings if finding.rank]
    assert animal.symptom in [finding.symptom for finding in findings]
    blamed = next((finding.layers[0] for finding in findings if finding.layers), "")
    assert blamed == animal.layer or not animal.layer


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_training_gets_nothing_above_a_note(name: str) -> None:
    diagnosis = HEALTHY[name].watched()
    assert [finding for finding in diagnosis.findings if finding.rank] == []
